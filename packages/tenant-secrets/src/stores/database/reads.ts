import { and, asc, eq, isNull, or, sql } from "drizzle-orm";
import { createSecretHeads, tables, type SecretHeadRow, type Statements } from "@repo/db";
import { type HeadState, headStateOf, integrityFailure, isGenuineHead } from "@repo/envelope";
import type { Company } from "../../companies/companies.ts";
import { withKeysOfNow } from "../../keys/company/company-keys.ts";
import type { Knowledge, KnownSecret, StorePart } from "./port.ts";
import { HeadChanged, type DatabaseParts } from "./transaction.ts";
import { gracePlace, graceUntil, isPrevious } from "./grace-windows.ts";
import { sealedSecret, type SealedSecret } from "../encrypted-secret.ts";
import { ofSecret, sameSecret } from "./secret-head.ts";
import type { LiveSecret } from "../store.ts";

const { companySecrets, companySecretVersions } = tables;

type MacBeside = Parameters<typeof isGenuineHead>[2];

/** A value where it stands. */
interface SealedRow {
  readonly companyId: string;
  readonly secretKey: string;
  readonly version: number | null;
  readonly companyKeyNo: number | null;
  readonly sealed: string | null;
  readonly expiresAtMs: number | null;
}

export function createReading({
  database,
  companyKeys,
  onAlarm,
}: DatabaseParts): StorePart<"look" | "know" | "find", "findLive"> {
  const readHead = createSecretHeads(database);

  /** @throws {TenantSecretsError} INTEGRITY_FAILURE where another party has changed the head, and what loading keys throws */
  const check = async (company: Company, head: HeadState, beside: MacBeside): Promise<void> => {
    const key = await companyKeys.forOpening(company.id, beside.macKeyNo);
    if (isGenuineHead(key, head, beside)) return;
    const changed = new HeadChanged(head.secretKey);
    onAlarm(changed.alarm(company.id));
    throw changed;
  };

  const look = async (company: Company, secretKey: string): Promise<Knowledge<SecretHeadRow>> => {
    const head = await readHead(company.id, secretKey);
    if (head === undefined) return { state: "unknown" };
    if (head.companyId !== company.id || head.secretKey !== secretKey) throw integrityFailure();
    await check(company, head, head);
    return head.removed ? { state: "removed" } : { state: "present", secret: head };
  };

  const take = async (company: Company, row: SealedRow): Promise<SealedSecret> => {
    const { companyId, secretKey, version, companyKeyNo, sealed, expiresAtMs } = row;
    if (companyId !== company.id || version === null || companyKeyNo === null || sealed === null) {
      throw integrityFailure();
    }
    const key = await companyKeys.forOpening(company.id, companyKeyNo);
    const place = { companyId: company.id, secretKey, version, companyKeyNo };
    return { ...sealedSecret(key.valueKey, place, sealed), expiresAtMs: expiresAtMs ?? undefined };
  };

  const know = (company: Company, secretKey: string): Promise<Knowledge<KnownSecret>> =>
    withKeysOfNow(async () => {
      const found = await look(company, secretKey);
      if (found.state !== "present") return found;
      const { currentVersion: version, origin, ...head } = found.secret;
      return { state: "present", secret: { origin, sealed: await take(company, { ...head, version }) } };
    });

  return {
    look,
    know,
    find: async (company, secretKey) => {
      const knowledge = await know(company, secretKey);
      return knowledge.state === "present" ? knowledge.secret.sealed : undefined;
    },

    versions: {
      findLive: (company, { secretKey }) =>
        withKeysOfNow(async () => {
          const askedAt = performance.now();
          const rows = await database.inCompany(company.id, (statements) =>
            selectLive(statements, company, secretKey),
          );
          const [any] = rows;
          if (any !== undefined) await check(company, headStateOf(any.head), any.head);
          const live = rows.map(async ({ stage, leftMs, ...row }): Promise<LiveSecret> => {
            const sealed = await take(company, row);
            if (stage !== "previous") return { stage, sealed };
            return { stage, sealed: { ...sealed, keepMs: leftMs }, until: askedAt + leftMs };
          });
          const [first, ...others] = await Promise.all(live);
          return first && [first, ...others];
        }),
    },
  };
}

/** In one statement, so that a promotion meanwhile does not show a version twice, or not at all. */
function selectLive(
  statements: Statements,
  company: Company,
  secretKey: string,
): Promise<
  (SealedRow & {
    readonly stage: LiveSecret["stage"];
    readonly leftMs: number;
    readonly head: typeof companySecrets.$inferSelect;
  })[]
> {
  const isCurrent = eq(companySecretVersions.version, companySecrets.currentVersion);
  const isPending = eq(companySecretVersions.version, companySecrets.pendingVersion);
  const stage = sql<
    LiveSecret["stage"]
  >`case when ${isCurrent} then 'current' when ${isPending} then 'pending' else 'previous' end`;
  return statements
    .select({
      head: companySecrets,
      companyId: companySecrets.companyId,
      secretKey: companySecrets.secretKey,
      version: companySecretVersions.version,
      companyKeyNo: sql<
        number | null
      >`case when ${isCurrent} then ${companySecrets.companyKeyNo} else ${companySecretVersions.companyKeyNo} end`,
      sealed: sql<
        string | null
      >`case when ${isCurrent} then ${companySecrets.secretValueEncrypted} else ${companySecretVersions.sealed} end`,
      expiresAtMs: sql<
        number | null
      >`(extract(epoch from ${companySecretVersions.expiresAt}) * 1000)::float8`,
      stage,
      // Of a grace window that lasts; of another version's it is not looked at.
      leftMs: sql<number>`coalesce(extract(epoch from ${graceUntil} - now()) * 1000, 0)::float8`,
    })
    .from(companySecrets)
    .innerJoin(companySecretVersions, sameSecret)
    .where(
      and(
        ofSecret(company.id, secretKey),
        isNull(companySecrets.deletedAt),
        or(isCurrent, isPending, isPrevious),
      ),
    )
    .orderBy(asc(stage), asc(gracePlace));
}
