import { setTimeout as sleep } from "node:timers/promises";
import { and, asc, count, eq, gt, inArray, isNull, or, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { type AuditAction, type AuditLog, onDatabase, type SigningKey } from "@repo/audit-log";
import { type Caller, forbidden, notFound, TenantSecretsError } from "@repo/catalog";
import { perform, refuse, type Attempt } from "../../access/attempt.ts";
import { permitsOnPlatform } from "../../access/permissions.ts";
import { revokeApiKeys } from "../../companies/api-keys.ts";
import type { AuthenticRows } from "../../access/authentic-rows.ts";
import { changeCompany } from "../../companies/companies.ts";
import { companyKeysTtlMs, type CompanyKeys } from "../company/company-keys.ts";
import { lockCompany } from "../company/company-lock.ts";
import { destroy } from "./destroy.ts";
import { onInfisical } from "../on-infisical.ts";
import { goneAfterSeconds } from "../rotation/process-registry.ts";
import {
  signingKeyNoOf,
  signReceipt,
  verifyReceipt,
  type ShreddingReceipt,
  type SignedReceipt,
} from "./receipt.ts";

const { apiKeys, companies, masterKeys, outsideWrites, processes, shreddings } = tables;

export interface ShredOptions {
  /** How long backups of the database are kept, in days: until then they hold the wraps. */
  readonly backupsKeptDays: number;
  /** Deletes what the company has in Infisical too; for good, as far as Infisical's own history does not hold it. */
  readonly withInfisicalFolder?: boolean;
}

export interface Shredding {
  /**
   * Destroys the keys of a company, and with them every value, hint and fingerprint that the database has of it. Nobody
   * can undo this. Again, it changes nothing and answers with the same receipt; only a folder in Infisical that was left
   * is deleted where that is asked for now.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND, INVALID_INPUT; NOT_SUPPORTED where the values live in Infisical and
   *   its folder is not to be deleted; STORE_UNAVAILABLE, where the keys may be gone and the folder not: once more
   */
  shred(caller: Caller, subdomain: string, options: ShredOptions): Promise<SignedReceipt>;
  /** The receipt of a company that was shredded. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  receipt(caller: Caller, subdomain: string): Promise<SignedReceipt>;
  /** As the function of that name, with this deployment's own keys. @throws as that, and FORBIDDEN, KEY_UNAVAILABLE */
  verifyReceipt(caller: Caller, text: string): Promise<ShreddingReceipt>;
  /** What anybody can check a receipt with, as PEM. @throws {TenantSecretsError} FORBIDDEN */
  publicKey(caller: Caller): Promise<string>;
}

interface Dependencies {
  readonly database: Database;
  readonly authentic: AuthenticRows;
  readonly infisical: InfisicalClient;
  readonly companyKeys: CompanyKeys;
  readonly audit: AuditLog;
  readonly loadSigningKey: (no?: number) => Promise<SigningKey>;
}

type CompanyRow = typeof companies.$inferSelect;

export function createShredding(dependencies: Dependencies): Shredding {
  const { database, authentic, infisical, audit, loadSigningKey } = dependencies;

  const asOperator = <T>(caller: Caller, action: AuditAction, work: () => Promise<T>): Promise<T> => {
    const attempt: Attempt = { caller, action, changes: action === "key.shred" };
    if (!permitsOnPlatform(caller.actor, "rotate")) return refuse(audit, attempt, forbidden("manage keys"));
    return perform(audit, attempt, work);
  };

  const across = <T>(work: (statements: Statements) => Promise<T>): Promise<T> =>
    onDatabase(() => database.acrossCompanies(work));

  /** What a company's receipt says, which names a folder that is to be deleted, and is signed again. */
  const readOwnReceipt = async (company: CompanyRow, stored: SignedReceipt): Promise<ShreddingReceipt> => {
    const text = JSON.stringify(stored);
    const { publicKey } = await loadSigningKey(signingKeyNoOf(text));
    const content = verifyReceipt(text, publicKey);
    if (content.company.id === company.id) return content;
    throw new TenantSecretsError(
      "INTEGRITY_FAILURE",
      "The receipt that the database has of this company is another company's: its folder is not deleted.",
    );
  };

  /** Deletes the folder, and has the receipt say so. Nothing happens where that was done before. */
  const deleteFolder = async (
    caller: Caller,
    company: CompanyRow,
    stored: SignedReceipt,
  ): Promise<SignedReceipt> => {
    const { format: _, completeBy: __, remains: ___, ...facts } = await readOwnReceipt(company, stored);
    const path = facts.infisical.folder;
    await across((statements) => abandonOutsideWrites(statements, company.id));
    await waitForOutsideWrites(across, company.id);
    const found = await countOutside(infisical, path);
    if (found === 0 && (facts.infisical.secrets === 0 || facts.infisical.deletedAt !== null)) return stored;
    const entry = { action: "key.shred-folder", companyId: company.id } as const;
    await audit.add(caller, { ...entry, outcome: "attempted" });
    await askInfisical(() => infisical.deleteFolder(path));
    if ((await countOutside(infisical, path)) > 0) {
      throw new TenantSecretsError(
        "CONFLICT",
        `The keys are destroyed, but ${path} was written to while it was deleted. Shred the company again.`,
      );
    }
    const secrets =
      facts.infisical.deletedAt === null
        ? Math.max(found, facts.infisical.secrets)
        : facts.infisical.secrets + found;
    const deletedAt = new Date().toISOString();
    const signed = signReceipt(
      { ...facts, infisical: { folder: path, secrets, deletedAt } },
      await loadSigningKey(),
    );
    await across(async (statements) => {
      await statements.update(shreddings).set(signed).where(eq(shreddings.companyId, company.id));
      await audit.addTo(statements, caller, { ...entry, outcome: "allowed" });
    });
    return signed;
  };

  const shred = async (
    caller: Caller,
    subdomain: string,
    { backupsKeptDays, withInfisicalFolder = false }: ShredOptions,
  ): Promise<SignedReceipt> => {
    if (!Number.isSafeInteger(backupsKeptDays) || backupsKeptDays < 0 || backupsKeptDays > 36_500) {
      throw new TenantSecretsError(
        "INVALID_INPUT",
        "Backups are kept for a whole number of days, 0 to 36500.",
      );
    }
    const seen = await across((statements) => findCompany(statements, subdomain));
    if (seen === undefined) throw notFound();
    const secrets = await countOutside(infisical, `/tenants/${seen.infisicalFolder}`);
    // What the transaction needs and would have to wait for is loaded before it.
    const signingKey = await loadSigningKey();
    await audit.ready();
    const done = await authentic.change(async (statements, writer) => {
      await lockCompany(statements, seen.id);
      const [company] = await statements
        .select()
        .from(companies)
        .where(eq(companies.id, seen.id))
        .for("update");
      if (company === undefined) throw notFound();
      // It was found by its subdomain, which decides whose keys are destroyed.
      writer.require({ kind: "company", ...company }, company);
      const earlier = await findReceipt(statements, company.id);
      if (earlier === undefined && company.secretStore === "infisical" && !withInfisicalFolder) {
        throw new TenantSecretsError(
          "NOT_SUPPORTED",
          "This company's values live in Infisical, under no key of ours that could be destroyed: its folder can be deleted with them, which has to be asked for (--with-infisical-folder).",
        );
      }
      if (withInfisicalFolder && company.secretStore !== "database") {
        // From now on no write to Infisical is admitted, and writes to the database are refused.
        const { revision } = await changeCompany({ statements, writer }, company, {
          secretStore: "database",
          storeEpoch: company.storeEpoch + 1,
        });
        // Each change of the row is on record with its number, so that an older state that is put back shows.
        await audit.addTo(statements, caller, {
          action: "company.set-store",
          outcome: "allowed",
          companyId: company.id,
          version: revision,
        });
      }
      if (earlier !== undefined) {
        await audit.addTo(statements, caller, {
          action: "key.shred-receipt",
          outcome: "allowed",
          companyId: company.id,
        });
        return { company, signed: earlier };
      }
      const ofCompany = and(eq(apiKeys.companyId, company.id), isNull(apiKeys.revokedAt));
      const revoked = await revokeApiKeys({ statements, writer }, ofCompany, Number.MAX_SAFE_INTEGER);
      const revocation = { action: "api-key.revoke", outcome: "allowed", companyId: company.id } as const;
      await audit.addAllTo(
        statements,
        caller,
        revoked.map(({ id, revision }) => ({ ...revocation, subject: id, version: revision })),
      );
      const destroyed = { ...(await destroy(statements, company.id)), apiKeys: revoked.length };
      const shreddedAt = new Date();
      const receipt = signReceipt(
        {
          company: { id: company.id, subdomain: company.subdomain },
          shreddedAt: shreddedAt.toISOString(),
          shreddedBy: `${caller.actor.kind} ${caller.actor.id}`,
          destroyed,
          processes: {
            alive: await countAlive(statements),
            keysForgottenBy: after(shreddedAt, companyKeysTtlMs),
          },
          // The one of the row that is genuine.
          infisical: { folder: `/tenants/${company.infisicalFolder}`, secrets, deletedAt: null },
          backups: {
            // A backup that began before this transaction committed does not have it.
            madeBefore: after(shreddedAt, 60_000),
            keptDays: backupsKeptDays,
            expiredBy: after(shreddedAt, 60_000 + backupsKeptDays * 86_400_000),
            masterKeyVersions: await findMasterKeys(statements, company.id),
          },
        },
        signingKey,
      );
      await statements.insert(shreddings).values({ companyId: company.id, shreddedAt, ...receipt });
      await audit.addTo(statements, caller, {
        action: "key.shred",
        outcome: "allowed",
        companyId: company.id,
      });
      return { company, signed: receipt };
    });
    dependencies.companyKeys.forget(seen.id);
    return withInfisicalFolder ? deleteFolder(caller, done.company, done.signed) : done.signed;
  };

  return {
    shred: (caller, subdomain, options) =>
      asOperator(caller, "key.shred", () => shred(caller, subdomain, options)),

    receipt: (caller, subdomain) =>
      asOperator(caller, "key.shred-receipt", async () => {
        await audit.ready();
        return across(async (statements) => {
          const company = await findCompany(statements, subdomain);
          const signed = company && (await findReceipt(statements, company.id));
          if (signed === undefined) throw notFound();
          await audit.addTo(statements, caller, {
            action: "key.shred-receipt",
            outcome: "allowed",
            companyId: company?.id,
          });
          return signed;
        });
      }),

    verifyReceipt: (caller, text) =>
      asOperator(caller, "key.verify-report", async () => {
        const { publicKey } = await loadSigningKey(signingKeyNoOf(text));
        const content = verifyReceipt(text, publicKey);
        await audit.add(caller, { action: "key.verify-report", outcome: "allowed" });
        return content;
      }),

    publicKey: (caller) =>
      asOperator(caller, "key.public-key", async () => {
        const { publicKey } = await loadSigningKey();
        await audit.add(caller, { action: "key.public-key", outcome: "allowed" });
        return publicKey;
      }),
  };
}

async function findCompany(statements: Statements, subdomain: string): Promise<CompanyRow | undefined> {
  const [row] = await statements
    .select()
    .from(companies)
    .where(and(eq(companies.subdomain, subdomain), isNull(companies.deletedAt)));
  return row;
}

async function findReceipt(statements: Statements, companyId: string): Promise<SignedReceipt | undefined> {
  const [row] = await statements
    .select({ receipt: shreddings.receipt, signature: shreddings.signature })
    .from(shreddings)
    .where(eq(shreddings.companyId, companyId));
  return row;
}

async function countAlive(statements: Statements): Promise<number> {
  const [row] = await statements
    .select({ alive: count() })
    .from(processes)
    .where(gt(processes.seenAt, sql`now() - make_interval(secs => ${goneAfterSeconds})`));
  return row?.alive ?? 0;
}

/** The versions under which a backup can hold a wrap of this company: of its time, and not destroyed. */
function findMasterKeys(statements: Statements, companyId: string) {
  const madeAt = sql`(select min(created_at) from company_keys where company_id = ${companyId})`;
  return statements
    .select({ region: masterKeys.region, version: masterKeys.version })
    .from(masterKeys)
    .where(
      and(
        inArray(masterKeys.status, ["active", "retiring", "retired"]),
        or(isNull(masterKeys.retiredAt), sql`${masterKeys.retiredAt} >= ${madeAt}`),
        sql`${madeAt} is not null`,
      ),
    )
    .orderBy(asc(masterKeys.region), asc(masterKeys.version));
}

/** Writes to the folder that are in flight: whoever makes them is told that they do not count. */
async function abandonOutsideWrites(statements: Statements, companyId: string): Promise<void> {
  await statements
    .update(outsideWrites)
    .set({ state: "abandoned" })
    .where(eq(outsideWrites.companyId, companyId));
}

/** Returns when no such write can arrive in Infisical any more: none is admitted since, and each has a deadline. */
async function waitForOutsideWrites(
  across: <T>(work: (statements: Statements) => Promise<T>) => Promise<T>,
  companyId: string,
): Promise<void> {
  const inFlight = and(
    eq(outsideWrites.companyId, companyId),
    gt(outsideWrites.deadlineAt, sql`clock_timestamp()`),
  );
  const isOut = async (statements: Statements) =>
    (await statements.select({ id: outsideWrites.id }).from(outsideWrites).where(inFlight).limit(1)).length >
    0;
  while (await across(isOut)) await sleep(100);
}

/** The secrets in a folder and everything below it; 0 where it is missing. */
async function countOutside(infisical: InfisicalClient, path: string): Promise<number> {
  const here = await askInfisical(() => infisical.listSecretSummaries(path));
  const folders = await askInfisical(() => infisical.listFolders(path));
  let total = here.length;
  for (const { name } of folders) total += await countOutside(infisical, `${path}/${name}`);
  return total;
}

function askInfisical<T>(work: () => Promise<T>): Promise<T> {
  return onInfisical(
    work,
    "STORE_UNAVAILABLE",
    () =>
      "Infisical, where values of this company may be, did not answer as it should. Shred the company again in a moment.",
  );
}

function after(date: Date, ms: number): string {
  return new Date(date.getTime() + ms).toISOString();
}
