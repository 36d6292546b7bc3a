import { and, asc, eq, inArray, ne, sql } from "drizzle-orm";
import { type Across, tables, type Statements } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";
import { type CompanyKey, headStateOf, isGenuineHead } from "@repo/envelope";
import type { Findings } from "./findings.ts";
import type { EventRow } from "./leaf.ts";

const { auditEvents, companies, companySecrets, shreddings } = tables;

/** The state of a secret in the database by its events. */
interface Recorded {
  readonly companyId: string;
  readonly secretKey: string;
  /** The highest version. */
  last: number;
  /** The version that the latest change made current, or that a removal ended. */
  current: number;
  removed: boolean;
  /** The position of that change in the audit log. */
  position: bigint;
}

/** Actions that change the current version. */
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

/** The states of secrets in the database by their events. */
export interface SecretChanges {
  /** Adds a genuine event. Events may come in any order. */
  add(event: EventRow): void;
  /** Hands over the state of a secret. @returns undefined where the audit log has no change of it */
  take(companyId: string, secretKey: string): Recorded | undefined;
  /** The states that were not handed over. */
  rest(): Iterable<Recorded>;
}

/**
 * @param storeSince by company, the position of its latest change of store or of home. Earlier versions belong to another one
 */
export function createSecretChanges(storeSince: ReadonlyMap<string, bigint>): SecretChanges {
  const recorded = new Map<string, Recorded>();
  return {
    add: (event) => {
      const { action, outcome, companyId, secretKey, version, position, reason } = event;
      // The event of a replayed request names the version of its first event.
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

/** Unambiguous, because ids have one length. */
function nameOf(companyId: string, secretKey: string): string {
  return `${companyId} ${secretKey}`;
}

/** Actions from which on the heads of a company are others. */
const elsewhere = ["company.set-store", "company.move", "company.take-over", "company.leave"] as const;

export async function selectStoreChanges(statements: Statements): Promise<ReadonlyMap<string, bigint>> {
  const rows = await statements
    .select({ companyId: auditEvents.companyId, position: auditEvents.position })
    .from(auditEvents)
    .where(and(inArray(auditEvents.action, [...elsewhere]), eq(auditEvents.outcome, "success")))
    .orderBy(asc(auditEvents.position));
  return new Map(
    rows.flatMap(({ companyId, position }) => (companyId === null ? [] : [[companyId, position]])),
  );
}

export interface HeadCheckDependencies {
  readonly across: Across;
  /**
   * @returns undefined for a key that its company's own key does not open at the moment
   * @throws {TenantSecretsError} KEY_DESTROYED, or the reason why the key cannot be unwrapped
   */
  readonly openCompanyKey: (companyId: string, keyVersion: number) => Promise<CompanyKey | undefined>;
  readonly findings: Findings;
}

const pageSize = 500;

/**
 * Checks the head of every secret against its MAC and its events, and finds heads that are missing. The heads of shredded
 * companies are skipped, because nothing under them can be read, and those of companies whose own key does not open.
 *
 * @returns the number of checked heads
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
      const key = await openCompanyKey(head.companyId, head.macKeyVersion);
      if (key === undefined) return;
      isGenuine = isGenuineHead(key, state, head);
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
    // A head that is newer than its events changed after they were read.
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
 * Whether a head of a living company names a destroyed key. A rotation destroys a key after every head has a MAC under the next
 * one. A head that changed its key since it was read is not stranded.
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

/** Finds secrets with events and without a head. Only the shredding of a company deletes heads, and its move to another region. */
async function findMissing(across: Across, changes: SecretChanges, findings: Findings): Promise<void> {
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

/** Whether the audit log has a change of a secret after a position. */
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
