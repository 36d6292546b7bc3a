import { sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { type CompanyId, TenantSecretsError } from "@repo/catalog";
import { wrapKey } from "@repo/envelope";
import type { CopiedKey } from "../../access/signed-copies.ts";
import { audited, type Steps } from "../../access/operation.ts";
import { changeCompany } from "../../companies/change-company.ts";
import { wrapping } from "../../keys/company/company-keys.ts";
import type { MasterKeyRing, MasterKeys } from "../../keys/master/master-keys.ts";
import { lockRow } from "./lock-row.ts";

const { companyKeys, companyKeyWraps, companyRegions } = tables;

export interface TakeOver {
  readonly companyId: CompanyId;
  /** The home until then, and its epoch. */
  readonly from: string;
  readonly homeEpoch: number;
  /** Those of the company that are in use, the newest first. */
  readonly keys: readonly CopiedKey[];
  /** Writes the company's secrets. */
  readonly write: (statements: Statements) => Promise<void>;
  /** What the earlier home is told besides. */
  readonly tell?: (statements: Statements) => Promise<void>;
}

/**
 * Makes this region the home of a company: in one transaction it gets what only a home has, fences the earlier one, and sends that
 * one copies. Idempotent.
 *
 * @throws {TenantSecretsError} CONFLICT where the company has another home by now, or is not active here
 */
export async function takeOver(
  { commit }: Pick<Steps, "commit">,
  masterKeys: MasterKeys,
  asked: TakeOver,
): Promise<void> {
  const { companyId, from, homeEpoch, keys, write, tell } = asked;
  const ownRegion = masterKeys.region;
  await wrapping(masterKeys, (ring) =>
    commit(async (transaction) => {
      const { statements, writer, copies } = transaction;
      const row = await lockRow(statements, companyId);
      if (row.homeRegion !== from || row.homeEpoch !== homeEpoch || row.status !== "active")
        throw new TenantSecretsError(
          "CONFLICT",
          `The company is at home in ${row.homeRegion} by now, or is suspended: look at it again.`,
        );
      await insertKeys(statements, keys, ring);
      const home = { homeRegion: ownRegion, homeEpoch: homeEpoch + 1, storeEpoch: row.storeEpoch + 1 };
      const changed = await changeCompany(transaction, row, home);
      await statements.execute(sql`select claim_home(${companyId})`);
      await write(statements);
      const region = { companyId, region: from };
      const beside = await writer.seal({ kind: "company-region", ...region });
      await statements.insert(companyRegions).values({ ...region, ...beside });
      await copies.company(changed);
      for (const key of keys) await copies.key(key);
      await tell?.(statements);
      const added = { action: "company.add-region", version: beside.revision } as const;
      return audited(undefined, [
        { subject: from, version: changed.revision },
        { ...added, subject: from },
      ]);
    }),
  );
}

async function insertKeys(
  statements: Statements,
  keys: readonly CopiedKey[],
  { active }: MasterKeyRing,
): Promise<void> {
  for (const [i, { companyId, keyVersion, secret }] of keys.entries()) {
    const { region, version: masterKeyVersion, wrappingKey } = active;
    const place = { kind: "company-key", owner: companyId, keyVersion, region, masterKeyVersion } as const;
    await statements
      .insert(companyKeys)
      .values({ companyId, keyVersion, status: i === 0 ? "active" : "retiring" });
    await statements.insert(companyKeyWraps).values({
      companyId,
      keyVersion,
      region,
      masterKeyVersion,
      wrapped: wrapKey(wrappingKey, place, secret),
    });
  }
}
