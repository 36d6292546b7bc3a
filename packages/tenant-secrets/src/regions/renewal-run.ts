import { and, asc, eq, gt, ne } from "drizzle-orm";
import { z } from "zod";
import type { AuditLog } from "@repo/audit-log";
import { type Caller, systemCaller, TenantSecretsError } from "@repo/catalog";
import { type Database, type Statements, tables } from "@repo/db";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import type { CopiedKey, CopyWriter, SignedCopies } from "../access/signed-copies.ts";
import { companyIdOf } from "../companies/company-id.ts";
import { lockCompany } from "../companies/company-lock.ts";
import type { CompanyKeys } from "../keys/company/company-keys.ts";
import type { RunStep } from "../runs/definition.ts";
import { defineRun, type Run } from "../runs/run.ts";

const { companies, companyKeys: keys, companyRegions } = tables;

const Facts = z.strictObject({
  /** Ids of companies whose copies could not be renewed. */
  left: z.array(z.string()),
});
type Facts = z.infer<typeof Facts>;

const Input = z.strictObject({
  /** The one whose copies are renewed; null: all. */
  region: z.string().nullable(),
});

export type RenewalRun = Run<z.infer<typeof Input>, Facts, object>;

interface Dependencies {
  readonly database: Database;
  readonly authentic: Pick<AuthenticRows, "accepts">;
  readonly audit: AuditLog;
  readonly companyKeys: Pick<CompanyKeys, "secrets">;
  readonly signedCopies: Pick<SignedCopies, "during">;
}

/** The caller who replaced a key is audited with that. */
const background = systemCaller("renew-region-copies", { verbs: [], secretKeys: [] });

/** A company that is refused is left out, and named: what is behind it goes on. */
const ofOneCompany: ReadonlySet<string> = new Set(["INTEGRITY_FAILURE", "KEY_UNAVAILABLE"]);

/**
 * Makes all copies once more that the home signs: with its own signing key as it is now, and encrypted to the transport keys of
 * the other regions as they are known now. Until a company's turn comes, its copies are as they were.
 */
export function defineRenewal(dependencies: Dependencies): RenewalRun {
  const { database, audit } = dependencies;
  return defineRun(database, {
    kind: "renew-region-copies",
    title: "Renewal of copies for other regions",
    concerns: "platform",
    verb: "companies",
    cancellable: true,
    first: "renew",
    input: Input,
    facts: Facts,
    phases: {
      renew: async (step) => {
        let cursor = z.uuid().nullable().parse(step.cursor);
        let { done } = step.progress;
        let left = step.facts.left;
        for (;;) {
          const id = await database.acrossCompanies((statements) =>
            nextCompany(statements, cursor, step.input.region),
          );
          if (id === undefined) break;
          await audit.ready();
          const at = { cursor: id, done: (done += 1) };
          try {
            await renew(dependencies, step, at);
          } catch (error) {
            if (!(error instanceof TenantSecretsError) || !ofOneCompany.has(error.code)) throw error;
            left = [...left, id];
            await step.commit(async () => {}, { ...at, facts: { left } });
          }
          cursor = id;
          await step.say(`${done} companies`);
        }
        if (left.length === 0) return step.enter({ phase: "done" });
        await step.commit(async () => {}, { cursor: null, done: 0, facts: { left: [] } });
        throw new TenantSecretsError(
          "INTEGRITY_FAILURE",
          `The copies of ${left.length} companies could not be renewed, such as of ${left.slice(0, 5).join(", ")}: a key of theirs does not decrypt, or a row is not genuine. Those of all others are.`,
        );
      },
    },
    background: { callerOf: () => background, tools: () => ({}) },
  });
}

/**
 * Starts a renewal, which a job does, in the caller's own transaction.
 *
 * @param subject what was replaced: of each replacement one renewal is unfinished
 */
export async function startRenewal(
  run: RenewalRun,
  statements: Statements,
  { caller, subject, region }: Readonly<{ caller: Caller; subject: string; region: string | null }>,
): Promise<void> {
  const row = await run.start(statements, { subject, input: { region }, facts: { left: [] }, caller });
  if (row !== undefined) await run.enqueue(statements, row);
}

async function nextCompany(
  statements: Statements,
  after: string | null,
  region: string | null,
): Promise<string | undefined> {
  const [row] = await statements
    .select({ id: companyRegions.companyId })
    .from(companyRegions)
    .where(
      and(
        after === null ? undefined : gt(companyRegions.companyId, after),
        region === null ? undefined : eq(companyRegions.region, region),
      ),
    )
    .orderBy(asc(companyRegions.companyId))
    .limit(1);
  return row?.id;
}

interface At {
  readonly cursor: string;
  readonly done: number;
}

/** One company, in one step. Again where its row or its keys have changed since they were read. */
async function renew(
  dependencies: Dependencies,
  step: RunStep<z.infer<typeof Input>, Facts, "renew">,
  at: At,
): Promise<void> {
  const { database, authentic, audit, companyKeys, signedCopies } = dependencies;
  for (;;) {
    const [found] = await database.acrossCompanies((statements) => selectCompany(statements, at.cursor));
    if (found === undefined || found.status === "deleted") return step.commit(async () => {}, at);
    // What is signed is what this deployment has written.
    if (!(await authentic.accepts({ kind: "company", ...found }, found))) throw notGenuine(found.id);
    const secrets = await secretsOf(companyKeys, found.id);
    try {
      await signedCopies.during((copiesIn) =>
        step.commit(async (statements) => {
          await lockCompany(statements, found.id);
          const [row] = await selectCompany(statements, found.id);
          if (row?.revision !== found.revision) throw new Changed();
          const copies = copiesIn(statements);
          await copies.company(row);
          if (!(await copyKeys({ statements, copies }, { companyId: found.id, secrets }, { renews: true })))
            throw new Changed();
          const event = { action: "company.renew-copies", outcome: "success", companyId: found.id } as const;
          await audit.recordInTransaction(statements, step.caller, {
            ...event,
            subject: step.input.region ?? undefined,
          });
        }, at),
      );
      return;
    } catch (error) {
      if (!(error instanceof Changed)) throw error;
    } finally {
      for (const { secret } of secrets) secret.fill(0);
    }
  }
}

/** The row or the keys of a company have changed since they were read: nothing was committed. */
class Changed extends Error {}

function selectCompany(statements: Statements, id: string) {
  return statements.select().from(companies).where(eq(companies.id, id)).for("no key update");
}

/** None of a company whose keys were destroyed. */
async function secretsOf(
  companyKeys: Pick<CompanyKeys, "secrets">,
  id: string,
): Promise<readonly CopiedKey[]> {
  try {
    return await companyKeys.secrets(companyIdOf({ id }));
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === "KEY_DESTROYED") return [];
    throw error;
  }
}

/**
 * Copies all keys of a company that are not destroyed, under the company's lock.
 *
 * @returns false if there is one that was made since `secrets` were loaded: nothing is to be committed then
 */
export async function copyKeys(
  { statements, copies }: { readonly statements: Statements; readonly copies: CopyWriter },
  { companyId, secrets }: { readonly companyId: string; readonly secrets: readonly CopiedKey[] },
  how: Parameters<CopyWriter["key"]>[1],
): Promise<boolean> {
  const living = await statements
    .select({ keyVersion: keys.keyVersion })
    .from(keys)
    .where(and(eq(keys.companyId, companyId), ne(keys.status, "destroyed")));
  for (const { keyVersion } of living) {
    const key = secrets.find((each) => each.keyVersion === keyVersion);
    if (key === undefined) return false;
    await copies.key(key, how);
  }
  return true;
}

function notGenuine(id: string): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    `The row of company ${id} was not written by this deployment.`,
  );
}
