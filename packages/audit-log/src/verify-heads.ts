import { and, asc, eq, ne, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";
import { type CompanyKey, headStateOf, isGenuineHead } from "@repo/envelope";
import type { Findings } from "./findings.ts";
import type { EventRow } from "./leaf.ts";

const { auditEvents, companies, companySecrets, shreddings } = tables;

/** What the audit log says of one secret in the database. */
interface Recorded {
  readonly companyId: string;
  readonly secretKey: string;
  /** The latest version that was made. */
  last: number;
  /** The version that the latest change made current, or that was current when the secret was removed. */
  current: number;
  removed: boolean;
  /** The place of that change in the record. */
  position: bigint;
}

/** Actions that change which version is current, or whether one is. */
const changing: ReadonlySet<string> = new Set([
  "secret.write",
  "secret.backfill",
  "secret.import",
  "secret.rollback",
  "secret.promote",
  "secret.restore",
  "secret.remove",
  "secret.purge",
]);
const removing: ReadonlySet<string> = new Set(["secret.remove", "secret.purge"]);

/** What the audit log says of the secrets in the database. */
export interface SecretChanges {
  /** Takes an event that is genuine, in any order. */
  add(event: EventRow): void;
  /** Takes a secret out. @returns undefined where the audit log has no change of it */
  take(companyId: string, secretKey: string): Recorded | undefined;
  /** Those that were not taken out. */
  rest(): Iterable<Recorded>;
}

/**
 * @param storeSince by companies, the place in the audit log of the latest change of where their secrets live: versions of before
 *   were another store's
 */
export function createSecretChanges(storeSince: ReadonlyMap<string, bigint>): SecretChanges {
  const recorded = new Map<string, Recorded>();
  return {
    add: (event) => {
      const { action, outcome, companyId, secretKey, version, position, reason } = event;
      // A request that came twice is in the audit log with the version that it made the first time.
      if (outcome !== "success" || reason === "REPLAYED" || companyId === null || secretKey === null) return;
      if (version === null || version < 1 || position <= (storeSince.get(companyId) ?? 0n)) return;
      if (!changing.has(action) && action !== "secret.stage") return;
      const name = nameOf(companyId, secretKey);
      const known = recorded.get(name) ?? {
        companyId,
        secretKey,
        last: 0,
        current: 0,
        removed: false,
        position: 0n,
      };
      recorded.set(name, known);
      known.last = Math.max(known.last, version);
      if (!changing.has(action) || position < known.position) return;
      known.current = version;
      known.removed = removing.has(action);
      known.position = position;
    },
    take: (companyId, secretKey) => {
      const name = nameOf(companyId, secretKey);
      const known = recorded.get(name);
      recorded.delete(name);
      return known;
    },
    rest: () => recorded.values(),
  };
}

/** Ids have one length, so that two of these are never the same. */
function nameOf(companyId: string, secretKey: string): string {
  return `${companyId} ${secretKey}`;
}

export async function selectStoreChanges(statements: Statements): Promise<ReadonlyMap<string, bigint>> {
  const rows = await statements
    .select({ companyId: auditEvents.companyId, position: auditEvents.position })
    .from(auditEvents)
    .where(and(eq(auditEvents.action, "company.set-store"), eq(auditEvents.outcome, "success")))
    .orderBy(asc(auditEvents.position));
  return new Map(
    rows.flatMap(({ companyId, position }) => (companyId === null ? [] : [[companyId, position]])),
  );
}

export interface HeadCheckDependencies {
  readonly across: <T>(work: (statements: Statements) => Promise<T>) => Promise<T>;
  /** The key of a company and number. @throws {TenantSecretsError} KEY_DESTROYED, or why it does not open */
  readonly openCompanyKey: (companyId: string, keyVersion: number) => Promise<CompanyKey>;
  readonly findings: Findings;
}

const pageSize = 500;

/**
 * Holds the head of every secret to its MAC, and to what the audit log says of it, also where there is none any more. Heads of companies that were shredded are
 * not looked at: nothing of these can be read.
 *
 * @returns how many were
 */
export async function verifyHeads(
  { across, openCompanyKey, findings }: HeadCheckDependencies,
  changes: SecretChanges,
): Promise<number> {
  let count = 0;
  const check = async (head: typeof companySecrets.$inferSelect): Promise<void> => {
    const known = changes.take(head.companyId, head.secretKey);
    const name = `${head.secretKey} of company ${head.companyId}`;
    const state = headStateOf(head);
    let isGenuine: boolean;
    try {
      isGenuine = isGenuineHead(await openCompanyKey(head.companyId, head.macKeyVersion), state, head);
    } catch (error) {
      if (!(error instanceof TenantSecretsError)) throw error;
      if (error.code === "KEY_DESTROYED" && !(await across((statements) => isStranded(statements, head))))
        return;
      if (!undecryptable.has(error.code)) throw error;
      isGenuine = false;
    }
    count++;
    if (!isGenuine) {
      const sentence = `The head of ${name} has no MAC of this deployment: what is current was changed by another party, and is not served.`;
      findings.add("head-not-genuine", sentence);
      return;
    }
    // A head that is newer than the audit log that was read has changed since.
    if (known === undefined || head.lastVersion > known.last) return;
    const isOutdated =
      head.lastVersion < known.last ||
      (known.position > 0n && (state.removed !== known.removed || head.currentVersion !== known.current));
    if (!isOutdated || (await across((statements) => hasChangedSince(statements, head, known.position))))
      return;
    findings.add(
      "head-outdated",
      `The head of ${name} is at version ${head.currentVersion} of ${head.lastVersion}${state.removed ? ", removed" : ""}; the audit log has it at ${known.current} of ${known.last}${known.removed ? ", removed" : ""}: an older state was put back.`,
    );
  };
  let after = { companyId: "00000000-0000-0000-0000-000000000000", secretKey: "" };
  for (let more = true; more;) {
    const page = after;
    const heads = await across((statements) =>
      statements
        .select({ head: companySecrets })
        .from(companySecrets)
        .innerJoin(companies, eq(companies.id, companySecrets.companyId))
        .where(
          and(
            ne(companies.secretStore, "infisical"),
            sql`(${companySecrets.companyId}, ${companySecrets.secretKey}) > (${page.companyId}::uuid, ${page.secretKey})`,
          ),
        )
        .orderBy(asc(companySecrets.companyId), asc(companySecrets.secretKey))
        .limit(pageSize),
    );
    for (const { head } of heads) await check(head);
    after = heads.at(-1)?.head ?? after;
    more = heads.length === pageSize;
  }
  await findMissing(across, changes, findings);
  return count;
}

const undecryptable: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "INTEGRITY_FAILURE",
  "KEY_UNAVAILABLE",
  "KEY_DESTROYED",
]);

/**
 * Whether a head names a destroyed key in a company that was not shredded: a rotation destroys a key after every head has
 * left it, so that one which has left it since it was read is none of these.
 */
async function isStranded(
  statements: Statements,
  { companyId, secretKey, macKeyVersion }: typeof companySecrets.$inferSelect,
): Promise<boolean> {
  const rows = await statements
    .select({ shredded: shreddings.companyId })
    .from(companySecrets)
    .leftJoin(shreddings, eq(shreddings.companyId, companySecrets.companyId))
    .where(
      and(
        eq(companySecrets.companyId, companyId),
        eq(companySecrets.secretKey, secretKey),
        eq(companySecrets.macKeyVersion, macKeyVersion),
      ),
    );
  return rows.some(({ shredded }) => shredded === null);
}

/** Secrets with versions in the audit log and no head: nothing deletes a head, but the shredding of its company. */
async function findMissing(
  across: HeadCheckDependencies["across"],
  changes: SecretChanges,
  findings: Findings,
): Promise<void> {
  for (const { companyId, secretKey, last } of changes.rest()) {
    const isMissing = await across(async (statements) => {
      const rows = await statements
        .select({ head: companySecrets.secretKey, shredded: shreddings.companyId })
        .from(companies)
        .leftJoin(shreddings, eq(shreddings.companyId, companies.id))
        .leftJoin(
          companySecrets,
          and(eq(companySecrets.companyId, companies.id), eq(companySecrets.secretKey, secretKey)),
        )
        .where(and(eq(companies.id, companyId), ne(companies.secretStore, "infisical")));
      return rows.some(({ head, shredded }) => head === null && shredded === null);
    });
    if (!isMissing) continue;
    findings.add(
      "head-missing",
      `The head of ${secretKey} of company ${companyId} is not there; the audit log has it at version ${last}: it was deleted.`,
    );
  }
}

/** Whether the audit log has a change of a secret after a place in it. */
async function hasChangedSince(
  statements: Statements,
  { companyId, secretKey }: { readonly companyId: string; readonly secretKey: string },
  position: bigint,
): Promise<boolean> {
  const rows = await statements
    .select({ action: auditEvents.action })
    .from(auditEvents)
    .where(
      and(
        eq(auditEvents.companyId, companyId),
        eq(auditEvents.secretKey, secretKey),
        eq(auditEvents.outcome, "success"),
        sql`${auditEvents.position} > ${position}`,
      ),
    );
  return rows.some(({ action }) => changing.has(action));
}
