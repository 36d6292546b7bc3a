import type { Statements } from "@repo/db";
import type { AuditEntry } from "@repo/audit-log";
import { type Catalog, FindingCode, TenantSecretsError } from "@repo/catalog";
import { blocks, type ComparedSecret, findingsOfWriteBack } from "../comparison.ts";
import { compare, type ComparedCompany } from "../company-work.ts";
import { type Drift, driftEvent, driftsOf } from "../drift.ts";
import { type FolderWriter, writeInFolder } from "../folder-write.ts";
import { extendLedger, type LedgerEntry, selectLedger } from "../ledger.ts";
import { isNewerInDatabase, valueToWrite } from "../write-back.ts";

/** One pass of a company's mirror. */
export interface MirrorPass extends FolderWriter {
  readonly folders: FolderWriter["folders"] & ComparedCompany["folders"];
  readonly parts: ComparedCompany["parts"];
  /** Whether the pass leaves the rest to the next one. */
  readonly isOver: () => boolean;
}

type Ledger = ReadonlyMap<string, LedgerEntry>;

/** What became of a secret that differed. */
interface Handled {
  readonly version: number | undefined;
  readonly isWritten: boolean;
  readonly finding: FindingCode | undefined;
}

/**
 * Brings the folder of a company to what the database has, as far as Infisical can hold it: compares both, writes what differs, one
 * secret at a time, compares again, and adds to the ledger what was proven. What others have changed in the folder is named
 * in the audit log, once for each of its versions, and overwritten.
 *
 * @returns whether nothing is left
 * @throws as `writeInFolder`, but for a value that Infisical refuses
 */
export async function mirrorOnce(pass: MirrorPass): Promise<boolean> {
  const { company, parts, commit } = pass;
  const sides = { ...pass, takeNewest: false, tree: undefined };
  const ledger = await commit((statements: Statements) => selectLedger(statements, company.id));
  const before = await compare(sides);
  const open = before.secrets.filter((secret) => isToMirror(parts.catalog, secret));
  const drifts = driftsIn(open, ledger);
  const handled = new Map<string, Handled>();
  for (const secret of open) {
    const finding = knownFinding(secret, ledger);
    if (finding === undefined && pass.isOver()) break;
    handled.set(
      secret.secretKey,
      await handle(pass, secret, { finding, drift: drifts.get(secret.secretKey) }),
    );
  }
  const wrote = [...handled.values()].some(({ isWritten }) => isWritten);
  const after = wrote ? await compare(sides) : before;
  const findings = findingsAfter(parts.catalog, after.secrets, handled);
  await conclude(pass, { ledger, drifts, handled, findings, secrets: after.secrets });
  return after.secrets.every(
    (secret) => !isToMirror(parts.catalog, secret) || findings.has(secret.secretKey),
  );
}

/** Secrets that the catalogue keeps in Infisical are not touched there. */
function isToMirror(catalog: Catalog, secret: ComparedSecret): boolean {
  return isNewerInDatabase(secret) && catalog.find(secret.secretKey)?.backfill !== false;
}

function driftsIn(open: readonly ComparedSecret[], ledger: Ledger): ReadonlyMap<string, Drift> {
  const known = open.flatMap(({ secretKey }) => ledger.get(secretKey) ?? []);
  const rows = open.flatMap(({ folder }) => folder ?? []);
  return new Map(driftsOf(known, rows).map((drift) => [drift.secretKey, drift]));
}

/** Why the folder does not get this value: as the last pass found, or as can be seen before Infisical is asked. */
function knownFinding(secret: ComparedSecret, ledger: Ledger): FindingCode | undefined {
  const entry = ledger.get(secret.secretKey);
  if (entry?.finding != null && entry.syncedVersion === secret.database?.version)
    return FindingCode.parse(entry.finding);
  return findingsOfWriteBack(secret).find(blocks)?.code;
}

async function handle(
  pass: MirrorPass,
  secret: ComparedSecret,
  { finding, drift }: { readonly finding: FindingCode | undefined; readonly drift: Drift | undefined },
): Promise<Handled> {
  const { secretKey, database } = secret;
  const version = database?.version;
  if (finding !== undefined) return { version, isWritten: false, finding };
  const plaintext = valueToWrite(secret);
  try {
    const events = drift === undefined ? [] : [driftEvent(pass.company.id, drift)];
    await writeInFolder(pass, { secretKey, plaintext, events });
    return { version, isWritten: true, finding: undefined };
  } catch (error) {
    if (!(error instanceof TenantSecretsError) || error.code !== "INVALID_VALUE") throw error;
    return { version, isWritten: true, finding: "REFUSED_BY_INFISICAL" };
  } finally {
    plaintext?.wipe();
  }
}

/** Why secrets still differ, of those that no further pass would change. */
function findingsAfter(
  catalog: Catalog,
  secrets: readonly ComparedSecret[],
  handled: ReadonlyMap<string, Handled>,
): ReadonlyMap<string, FindingCode> {
  const findings = secrets.flatMap((secret): readonly [string, FindingCode][] => {
    const { secretKey, standing, folder, database } = secret;
    if (standing === "unopenable") return [[secretKey, "UNOPENABLE"]];
    const last = handled.get(secretKey);
    // Another version by now is for the next pass.
    if (last === undefined || last.version !== database?.version || !isToMirror(catalog, secret)) return [];
    const isHidden = folder !== undefined && folder.value === undefined;
    return [[secretKey, last.finding ?? (isHidden ? "HIDDEN" : "DIFFERS")]];
  });
  return new Map(findings);
}

interface Conclusion {
  readonly ledger: Ledger;
  readonly drifts: ReadonlyMap<string, Drift>;
  readonly handled: ReadonlyMap<string, Handled>;
  readonly findings: ReadonlyMap<string, FindingCode>;
  readonly secrets: readonly ComparedSecret[];
}

/** The ledger, with the events of what was not written and is not in it yet. */
async function conclude(
  { company, audit, caller, commit }: MirrorPass,
  { ledger, drifts, handled, findings, secrets }: Conclusion,
): Promise<void> {
  const events = secrets.flatMap(({ secretKey, database }): readonly AuditEntry[] => {
    const drift = drifts.get(secretKey);
    // The event of a write says this already.
    if (!findings.has(secretKey) || handled.get(secretKey)?.isWritten === true) return [];
    const entry = ledger.get(secretKey);
    const isKnown = entry?.finding != null && entry.syncedVersion === database?.version;
    const failed = {
      action: "secret.mirror",
      outcome: "failed",
      reason: "INVALID_VALUE",
      companyId: company.id,
      secretKey,
      version: database?.version,
    } as const;
    return [...(drift === undefined ? [] : [driftEvent(company.id, drift)]), ...(isKnown ? [] : [failed])];
  });
  await audit.ready();
  await commit(async (statements: Statements) => {
    await extendLedger(statements, company.id, { secrets, findings });
    await audit.recordInTransaction(statements, caller, events);
  });
}
