import { desc } from "drizzle-orm";
import { z } from "zod";
import type { SigningKey } from "@repo/audit-log";
import type { Caller, RegionReceipt } from "@repo/catalog";
import { tables, type Statements } from "@repo/db";
import { audited, type Operations } from "../access/operation.ts";
import { signReceipt } from "../runs/signed-receipt.ts";

const { regionReceipts } = tables;

const format = "tenant-secrets-region-receipt/1";
const Count = z.int().nonnegative();

/** What a region says of a company that is gone from it. It names the company by its id: nothing else of it is left here. */
export const RegionGoneReceipt = z.strictObject({
  format: z.literal(format),
  /** Where the company is no more. */
  region: z.string(),
  companyId: z.uuid(),
  homeRegion: z.string(),
  homeEpoch: z.int().positive(),
  /** When this region made its row of the company. */
  since: z.iso.datetime(),
  goneAt: z.iso.datetime(),
  /** Copies of the company, its keys and secrets that are left: none. */
  copies: z.literal(0),
  /** What was this region's own, and was deleted with it. */
  deleted: z.strictObject({ apiKeys: Count, members: Count, invitations: Count }),
  /** What remains and where, in sentences. */
  remains: z.array(z.string()),
});
type ReceiptFacts = Omit<z.infer<typeof RegionGoneReceipt>, "format" | "remains" | "copies">;

export async function keepReceipt(
  statements: Statements,
  facts: ReceiptFacts,
  key: SigningKey,
): Promise<void> {
  const content = { format, ...facts, copies: 0, remains: remainsOf(facts) } as const;
  await statements.insert(regionReceipts).values({
    companyId: facts.companyId,
    homeRegion: facts.homeRegion,
    goneAt: new Date(facts.goneAt),
    ...signReceipt(RegionGoneReceipt, content, key),
  });
}

function remainsOf({ region, goneAt }: ReceiptFacts): string[] {
  return [
    `Backups and archived WAL of region ${region} that were made before ${goneAt} have the encrypted copies until they expire.`,
    `The audit log of region ${region} keeps its events of the company, with its id and the names of secrets, as long as it keeps any.`,
  ];
}

export interface RegionReceipts {
  /** The latest first. @throws {TenantSecretsError} FORBIDDEN */
  receipts(caller: Caller): Promise<readonly RegionReceipt[]>;
}

const mostReceipts = 1000;

export function createRegionReceipts({ operations }: { readonly operations: Operations }): RegionReceipts {
  const toManage = { verb: "operators", to: "manage regions" } as const;
  return {
    receipts: (caller) =>
      operations.read({ caller, action: "region.receipts", ...toManage }, async (across) =>
        audited(
          await across((statements) =>
            statements.select().from(regionReceipts).orderBy(desc(regionReceipts.goneAt)).limit(mostReceipts),
          ),
          {},
        ),
      ),
  };
}
