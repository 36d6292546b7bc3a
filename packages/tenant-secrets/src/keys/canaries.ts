import { setImmediate as nextTurn } from "node:timers/promises";
import { and, asc, eq, gt, isNotNull } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { onDatabase } from "../access/database-errors.ts";
import { deriveCompanyKey, type MasterKey } from "../crypto/derivation.ts";
import { openValue, unwrapKey } from "../crypto/envelope.ts";

const { companyKeys, companyKeyWraps, companySecrets } = tables;
const batchSize = 1000;
const stride = 100;

/**
 * Opens, with one master key and nothing else, the active key of every company, and with that one of its values where it
 * has any.
 *
 * @returns how many companies were opened
 * @throws {TenantSecretsError} INTEGRITY_FAILURE
 */
export async function openCanaries(
  database: Database,
  masterKey: MasterKey,
  fence: (statements: Statements) => Promise<void>,
  progress: (opened: number) => Promise<void>,
): Promise<number> {
  let opened = 0;
  for (let after = "00000000-0000-0000-0000-000000000000"; ;) {
    const batch = await onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        await fence(statements);
        return selectCanaries(statements, masterKey, after);
      }),
    );
    for (const [i, { companyId, no, wrapped, canary }] of batch.entries()) {
      // Other work of this process gets its turn.
      if (i % stride === 0) await nextTurn();
      const place = {
        kind: "company-key",
        owner: companyId,
        no,
        region: masterKey.region,
        masterKeyVersion: masterKey.version,
      } as const;
      const key = deriveCompanyKey(unwrapKey(masterKey.wrappingKey, place, wrapped), companyId, no);
      if (canary?.sealed == null || canary.version === null) continue;
      const { secretKey, version, sealed } = canary;
      openValue(key.valueKey, { companyId, secretKey, version, companyKeyNo: no }, sealed).fill(0);
    }
    opened += batch.length;
    const last = batch.at(-1);
    if (last === undefined) return opened;
    after = last.companyId;
    await progress(opened);
  }
}

/** Active keys of the next companies, each with its wrap and the first secret that is sealed under it. */
function selectCanaries(statements: Statements, masterKey: MasterKey, after: string) {
  return statements
    .selectDistinctOn([companyKeys.companyId], {
      companyId: companyKeys.companyId,
      no: companyKeys.no,
      wrapped: companyKeyWraps.wrapped,
      canary: {
        secretKey: companySecrets.secretKey,
        version: companySecrets.currentVersion,
        sealed: companySecrets.secretValueEncrypted,
      },
    })
    .from(companyKeys)
    .innerJoin(
      companyKeyWraps,
      and(
        eq(companyKeyWraps.companyId, companyKeys.companyId),
        eq(companyKeyWraps.no, companyKeys.no),
        eq(companyKeyWraps.region, masterKey.region),
        eq(companyKeyWraps.masterKeyVersion, masterKey.version),
      ),
    )
    .leftJoin(
      companySecrets,
      and(
        eq(companySecrets.companyId, companyKeys.companyId),
        eq(companySecrets.companyKeyNo, companyKeys.no),
        isNotNull(companySecrets.secretValueEncrypted),
      ),
    )
    .where(and(eq(companyKeys.status, "active"), gt(companyKeys.companyId, after)))
    .orderBy(asc(companyKeys.companyId), asc(companySecrets.secretKey))
    .limit(batchSize);
}
