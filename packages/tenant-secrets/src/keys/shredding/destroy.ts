import { and, asc, count, eq, isNotNull, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { destroyedValue } from "@repo/envelope";
import { lockDeliveries, removeEndpoints } from "../../access/webhook-endpoints.ts";
import type { ShreddingFacts } from "./receipt.ts";

const {
  companyKeys,
  companyKeyWraps,
  companySecrets,
  companySecretVersions,
  outsideWrites,
  webhookEndpoints,
  writeRequests,
} = tables;

/**
 * Destroys a company's keys, and everything that contains or derives from a value. The caller holds the company's exclusive
 * lock: a concurrent write commits before and is destroyed too, or finds the key gone.
 *
 * @returns the number of each
 */
export async function destroy(
  statements: Statements,
  companyId: string,
): Promise<Omit<ShreddingFacts["destroyed"], "apiKeys" | "copies">> {
  const heads = await statements
    .select({ encrypted: isNotNull(companySecrets.secretValueEncrypted).mapWith(Boolean) })
    .from(companySecrets)
    .where(eq(companySecrets.companyId, companyId))
    .orderBy(asc(companySecrets.secretKey))
    .for("update");
  const keys = await statements
    .select({ keyVersion: companyKeys.keyVersion })
    .from(companyKeys)
    .where(eq(companyKeys.companyId, companyId))
    .orderBy(asc(companyKeys.keyVersion))
    .for("update");
  const [versions] = await statements
    .select({ all: count(), encrypted: count(companySecretVersions.valueEncrypted) })
    .from(companySecretVersions)
    .where(eq(companySecretVersions.companyId, companyId));
  await statements
    .update(companyKeys)
    .set({ status: "destroyed", destroyedAt: sql`coalesce(${companyKeys.destroyedAt}, now())` })
    .where(eq(companyKeys.companyId, companyId));
  const wraps = await statements
    .delete(companyKeyWraps)
    .where(eq(companyKeyWraps.companyId, companyId))
    .returning({ region: companyKeyWraps.region, masterKeyVersion: companyKeyWraps.masterKeyVersion });
  await statements
    .update(companySecrets)
    .set({ secretValueEncrypted: destroyedValue })
    .where(and(eq(companySecrets.companyId, companyId), isNotNull(companySecrets.secretValueEncrypted)));
  await statements
    .update(companySecretVersions)
    .set({
      valueEncrypted: null,
      companyKeyVersion: null,
      fingerprint: null,
      lastFour: null,
      destroyedAt: sql`coalesce(${companySecretVersions.destroyedAt}, now())`,
    })
    .where(eq(companySecretVersions.companyId, companyId));
  const requests = await statements
    .delete(writeRequests)
    .where(eq(writeRequests.companyId, companyId))
    .returning({ requestId: writeRequests.requestId });
  await statements
    .update(outsideWrites)
    .set({ valueMac: null })
    .where(eq(outsideWrites.companyId, companyId));
  await lockDeliveries(statements);
  await removeEndpoints(statements, eq(webhookEndpoints.companyId, companyId));
  return {
    companyKeys: keys.map(({ keyVersion }) => keyVersion),
    wraps: countEach(wraps),
    currentValues: heads.filter(({ encrypted }) => encrypted).length,
    earlierValues: versions?.encrypted ?? 0,
    versions: versions?.all ?? 0,
    writeRequests: requests.length,
  };
}

function countEach(
  wraps: readonly { readonly region: string; readonly masterKeyVersion: number }[],
): ShreddingFacts["destroyed"]["wraps"] {
  const groups = Map.groupBy(wraps, ({ region, masterKeyVersion }) => `${region} ${masterKeyVersion}`);
  return [...groups.values()].flatMap((group) =>
    group.slice(0, 1).map((wrap) => ({ ...wrap, count: group.length })),
  );
}
