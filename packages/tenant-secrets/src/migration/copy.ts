import { tables } from "@repo/db";
import { and, eq } from "drizzle-orm";
import { lastFourOf, TenantSecretsError } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { enterCompany } from "../companies/company-lock.ts";
import { genuineHead, headColumns } from "../stores/database/secret-head.ts";
import { purgeValues } from "../stores/database/removal.ts";
import type { Comparison, ComparedSecret } from "./comparison.ts";
import { compare, type CompanyOutcome, type CompanyWork, resultOf, scopeOf } from "./company-work.ts";
import { replaceLedger, selectLedger } from "./ledger.ts";
import { pause } from "../runs/pause.ts";

const { companySecrets } = tables;

/** As `backfillMany` takes them. */
const batchSecrets = 200;
const batchBytes = 4_194_304;
/** Before a folder that was not empty is taken for empty, in milliseconds. */
const emptyAgainMs = 5000;

/** Fills the database from a company's folder. Nothing that was written here changes. */
export async function copyCompany(work: CompanyWork): Promise<CompanyOutcome> {
  if (work.company.secretStore === "database")
    throw new TenantSecretsError(
      "NOT_SUPPORTED",
      "This company is on the database store: what was changed in its folder since does not count.",
    );
  const before = await comparison(work);
  if (isEmptied(before)) return { state: "blocked", result: resultOf(work, before) };
  const { after, moved } = await bringIn(work, before);
  return { state: after.counts.blocked > 0 ? "blocked" : "done", result: resultOf(work, after, { moved }) };
}

export function isEmptied({ findings }: Pick<Comparison, "findings">): boolean {
  return findings.some(({ code }) => code === "FOLDER_EMPTY");
}

/** As `compare`; a folder that was not empty before and seems to be is looked at twice. */
export async function comparison(work: CompanyWork): Promise<Comparison> {
  const { company, parts } = work;
  const found = await compare(work);
  if (found.counts.inFolder > 0 || company.secretStore !== "infisical") return found;
  const ledger = await parts.database.inCompany(company.id, (statements) =>
    selectLedger(statements, company.id),
  );
  const before = [...ledger.values()].filter(({ outsideId }) => outsideId !== null).length;
  if (before === 0) return found;
  await pause(work.step, work.againMs ?? emptyAgainMs);
  const again = await compare(work);
  if (again.counts.inFolder > 0) return again;
  const empty = { code: "FOLDER_EMPTY", detail: `${before} secrets before` } as const;
  return { ...again, findings: [...again.findings, empty] };
}

/**
 * Brings the changes of a folder into the database: new and changed secrets, and removals of copies; then the ledger.
 *
 * @returns the sides as they are then, and how many secrets changed
 */
export async function bringIn(
  work: CompanyWork,
  before: Comparison,
): Promise<{ readonly after: Comparison; readonly moved: number }> {
  const { company, step } = work;
  const copied = await copyIn(work, before.secrets.filter(isToCopy));
  const forgotten = await forgetCopies(
    work,
    before.secrets.filter(({ standing }) => standing === "removed-in-folder"),
  );
  const moved = copied + forgotten;
  const after = moved === 0 ? before : await compare(work);
  // What was there a moment ago and is not: the next look decides, and needs the ledger for it.
  if (before.counts.inFolder === 0 || after.counts.inFolder > 0)
    await step.commitIn(company.id, (statements) => replaceLedger(statements, company.id, after.secrets));
  return { after, moved };
}

function isToCopy({ standing }: ComparedSecret): boolean {
  return standing === "only-in-folder" || standing === "newer-in-folder";
}

async function copyIn(work: CompanyWork, secrets: readonly ComparedSecret[]): Promise<number> {
  const { parts, step, company } = work;
  let copied = 0;
  for (const batch of batchesOf(secrets)) {
    const values = batch.map(({ secretKey, folder, database }) => {
      const text = folder?.value ?? "";
      const over = database?.isLive === true ? database.version : undefined;
      const lastFour = lastFourOf(parts.catalog.get(secretKey), text);
      return { secretKey, plaintext: Plaintext.fromText(text), lastFour, over };
    });
    try {
      const results = await parts.databaseStore.backfillMany(scopeOf(work), {
        origin: "infisical",
        secrets: values,
        holder: step.run.id,
        transact: (inside) => step.commitIn(company.id, inside),
      });
      copied += results.filter(({ version }) => version !== undefined).length;
    } finally {
      for (const { plaintext } of values) plaintext.wipe();
    }
  }
  return copied;
}

function* batchesOf(secrets: readonly ComparedSecret[]): Generator<readonly ComparedSecret[]> {
  let batch: ComparedSecret[] = [];
  let bytes = 0;
  for (const secret of secrets) {
    const size = Buffer.byteLength(secret.folder?.value ?? "", "utf8");
    if (batch.length === batchSecrets || (batch.length > 0 && bytes + size > batchBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(secret);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** Destroys copies of secrets that were removed in the folder: their tombstones do not hide a secret that is made there later. */
async function forgetCopies(work: CompanyWork, secrets: readonly ComparedSecret[]): Promise<number> {
  const { parts, step, company } = work;
  if (secrets.length === 0) return 0;
  const keys = await parts.companyKeys.usable(company.id);
  await parts.audit.ready();
  return step.commitIn(company.id, async (statements) => {
    await enterCompany(statements, company, step.run.id);
    const forgotten: string[] = [];
    for (const { secretKey, database } of secrets) {
      const [row] = await statements
        .select(headColumns)
        .from(companySecrets)
        .where(and(eq(companySecrets.companyId, company.id), eq(companySecrets.secretKey, secretKey)))
        .for("update");
      const head = row && genuineHead(keys, row);
      const isCopy = head?.origin === "infisical" && head.currentVersion === database?.version;
      if (head === undefined || !isCopy) continue;
      await purgeValues(statements, head);
      forgotten.push(secretKey);
    }
    const entry = { action: "secret.purge", outcome: "success", companyId: company.id } as const;
    if (forgotten.length > 0)
      await parts.audit.recordInTransaction(
        statements,
        step.caller,
        forgotten.map((secretKey) => ({ ...entry, secretKey })),
      );
    return forgotten.length;
  });
}
