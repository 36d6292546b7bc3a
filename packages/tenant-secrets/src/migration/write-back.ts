import { randomUUID } from "node:crypto";
import { and, eq, lte, or, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";
import { fingerprint, type Plaintext } from "@repo/envelope";
import { enterCompany } from "../companies/company-lock.ts";
import type { ComparedSecret, Comparison } from "./comparison.ts";
import type { CompanyWork } from "./company-work.ts";

const { outsideWrites } = tables;

/** Longer than a request of the bulk client with what it repeats, in seconds. */
const deadlineSeconds = 35;

/** Whether the folder has another value than the database, which is what counts. */
export function isNewerInDatabase({ standing }: ComparedSecret): boolean {
  return (
    standing === "newer-in-database" || standing === "only-in-database" || standing === "removed-in-database"
  );
}

/**
 * Brings the folder of a company to what the database has, a secret at a time: its values, and its removals. A secret that is
 * written meanwhile is open again afterwards.
 *
 * @returns how many secrets of the folder changed
 * @throws {TenantSecretsError} INVALID_VALUE if Infisical refuses a value; STORE_UNAVAILABLE
 */
export async function writeBack(work: CompanyWork, { secrets }: Comparison): Promise<number> {
  const open = secrets.filter(isNewerInDatabase);
  for (const secret of open) {
    const plaintext = secret.database?.open();
    try {
      await writeOne(
        work,
        secret.secretKey,
        secret.standing === "removed-in-database" ? undefined : plaintext,
      );
    } finally {
      plaintext?.wipe();
    }
  }
  return open.length;
}

/** @param plaintext the value; undefined to delete the secret in the folder */
async function writeOne(
  work: CompanyWork,
  secretKey: string,
  plaintext: Plaintext | undefined,
): Promise<void> {
  const { folders, company } = work;
  const id = await admit(work, secretKey, plaintext);
  try {
    await (plaintext === undefined
      ? folders.erase(company, secretKey)
      : folders.put(company, secretKey, plaintext.reveal()));
  } catch (error) {
    const isKnown =
      error instanceof TenantSecretsError && (error.store === "unchanged" || error.code === "INVALID_VALUE");
    await (isKnown ? end(work, { id, secretKey }, "failed") : leaveOpen(work, id)).catch(() => {});
    throw error instanceof TenantSecretsError && error.code === "INVALID_VALUE"
      ? refusedByInfisical(secretKey)
      : error;
  }
  await end(work, { id, secretKey }, "success");
}

interface Admitted {
  readonly id: string;
  readonly secretKey: string;
}

/** A row that says what is out, so that neither a write of ours nor a copy overtakes it. */
async function admit(
  { parts, step, company }: CompanyWork,
  secretKey: string,
  plaintext: Plaintext | undefined,
): Promise<string> {
  const key = plaintext && (await parts.companyKeys.forEncryption(company.id));
  const id = randomUUID();
  await parts.audit.ready();
  await step.commitIn(company.id, async (statements) => {
    await enterCompany(statements, company, step.run.id);
    // One that a killed driver of a migration has left, or whose time is up, may still arrive: it is waited for before the
    // company reads from the folder.
    await statements
      .update(outsideWrites)
      .set({ state: "unknown" })
      .where(
        and(
          eq(outsideWrites.companyId, company.id),
          eq(outsideWrites.secretKey, secretKey),
          eq(outsideWrites.state, "in-flight"),
          or(outsideWrites.isMirror, lte(outsideWrites.deadlineAt, sql`clock_timestamp()`)),
        ),
      );
    const write = {
      id,
      companyId: company.id,
      storeEpoch: company.storeEpoch,
      secretKey,
      kind: plaintext === undefined ? "delete" : "put",
      isMirror: true,
      valueMac: key && plaintext && fingerprint(key, plaintext.bytes),
      companyKeyVersion: key?.keyVersion,
      deadlineAt: sql`clock_timestamp() + make_interval(secs => ${deadlineSeconds})`,
    } as const;
    const admitted = await statements
      .insert(outsideWrites)
      .values(write)
      .onConflictDoNothing()
      .returning({ id: outsideWrites.id });
    if (admitted.length === 0) throw othersWrite(secretKey);
    await parts.audit.recordInTransaction(statements, step.caller, {
      action: "secret.mirror",
      outcome: "attempted",
      companyId: company.id,
      secretKey,
    });
  });
  return id;
}

function refusedByInfisical(secretKey: string): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_VALUE",
    `Infisical refuses the value of ${secretKey}, as it does with a reference that leads nowhere. Replace the value, or remove the secret.`,
  );
}

function othersWrite(secretKey: string): TenantSecretsError {
  return new TenantSecretsError(
    "STORE_UNAVAILABLE",
    `Another change of ${secretKey} is in flight at Infisical.`,
    { store: "unchanged", retryAfterMs: 1000 },
  );
}

async function end(
  { parts, step, company }: CompanyWork,
  { id, secretKey }: Admitted,
  outcome: "success" | "failed",
): Promise<void> {
  await parts.audit.ready();
  await step.commitIn(company.id, async (statements) => {
    await statements.delete(outsideWrites).where(ofId(company.id, id));
    await parts.audit.recordInTransaction(statements, step.caller, {
      action: "secret.mirror",
      outcome,
      companyId: company.id,
      secretKey,
    });
  });
}

/** The job that settles finds out, once the deadline has passed. */
async function leaveOpen({ step, company }: CompanyWork, id: string): Promise<void> {
  await step.commitIn(company.id, (statements: Statements) =>
    statements.update(outsideWrites).set({ state: "unknown" }).where(ofId(company.id, id)),
  );
}

function ofId(companyId: string, id: string) {
  return and(eq(outsideWrites.companyId, companyId), eq(outsideWrites.id, id));
}
