import { and, asc, eq, gt, gte, inArray, lt, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import { type CompanyId, TenantSecretsError } from "@repo/catalog";
import { inclusionProof } from "./merkle.ts";
import type { CheckpointRow } from "./batches.ts";
import { eventLine, checkpointLine } from "./export-format.ts";
import { leafOf, unpackLeaves, type EventRow } from "./leaf.ts";

const { auditCheckpoints, auditEvents } = tables;

/** Events of a page. Each may be in another batch, and the leaves of a batch are about 50 KiB. */
const pageSize = 100;

export interface ExportPage {
  readonly lines: readonly string[];
  /** Events that are left out of the page because no batch has them yet. */
  readonly unsealed: number;
  /** The position of its last event; undefined on the last page. */
  readonly last: bigint | undefined;
}

/** The next events of a company, each with its proof. */
export async function exportPage(
  database: Database,
  companyId: CompanyId,
  { times, after }: { readonly times: { readonly from: Date; readonly to: Date }; readonly after: bigint },
): Promise<ExportPage> {
  const events = await database.inCompany(companyId, (statements) =>
    selectPage(statements, companyId, { ...times, after }),
  );
  const page = events.slice(0, pageSize);
  const batches = await database.acrossCompanies((statements) => selectCheckpointsOf(statements, page));
  const lines: string[] = [];
  let unsealed = 0;
  let current: Sealed | undefined;
  for (const event of page) {
    const batch = batches.get(event.id)?.find(({ indexes }) => indexes.has(event.id));
    const index = batch?.indexes.get(event.id);
    if (batch === undefined || index === undefined) {
      unsealed++;
      continue;
    }
    if (batch.leaves[index]?.equals(leafOf(event)) !== true) {
      throw new TenantSecretsError(
        "INTEGRITY_FAILURE",
        `Event ${event.id} was changed in the database after it was sealed. Tell an operator, who finds out more with "audit verify".`,
      );
    }
    if (batch !== current) lines.push(checkpointLine(batch.checkpoint, batch.signature));
    current = batch;
    lines.push(eventLine({ ...event, companyId }, index, inclusionProof(batch.leaves, index)));
  }
  return { lines, unsealed, last: events.length > pageSize ? page.at(-1)?.position : undefined };
}

function selectPage(
  statements: Statements,
  companyId: CompanyId,
  { from, to, after }: { readonly from: Date; readonly to: Date; readonly after: bigint },
): Promise<EventRow[]> {
  return statements
    .select()
    .from(auditEvents)
    .where(
      and(
        eq(auditEvents.companyId, companyId),
        gte(auditEvents.occurredAt, from),
        lt(auditEvents.occurredAt, to),
        gt(auditEvents.position, after),
      ),
    )
    .orderBy(asc(auditEvents.position))
    .limit(pageSize + 1);
}

interface Sealed {
  readonly checkpoint: string;
  readonly signature: string;
  readonly leaves: readonly Buffer[];
  readonly indexes: ReadonlyMap<string, number>;
}

const Candidates = z.array(
  z.object({ id: z.uuid(), interval: z.int().nullable(), restoreMarker: z.int().nullable() }),
);

/** The batches that can hold an event: that of the interval of its transaction, and the restore marker of its cluster. */
async function selectCheckpointsOf(
  statements: Statements,
  events: readonly EventRow[],
): Promise<ReadonlyMap<string, readonly Sealed[]>> {
  if (events.length === 0) return new Map();
  const places = events.map(({ id, xid, position }) => ({ id, xid, position: String(position) }));
  const rows = Candidates.parse([
    ...(await statements.execute(sql`
      select e.id, i.index as interval, c.index as "restoreMarker"
      from json_to_recordset(${JSON.stringify(places)}::json) as e (id uuid, xid xid8, position bigint)
      left join lateral (
        select b.index from audit_checkpoints b
        where b.floor = (select max(f.floor) from audit_checkpoints f where f.floor < e.position)
          and b.to_xid > e.xid and b.size > 0
        order by b.to_xid limit 1) i on true
      left join lateral (
        select b.index from audit_checkpoints b
        where b.floor = (select min(f.floor) from audit_checkpoints f where f.floor >= e.position) and b.to_xid = '0'
        order by b.index limit 1) c on true`)),
  ]);
  const numbersOf = ({ interval, restoreMarker }: (typeof rows)[number]): number[] =>
    [interval, restoreMarker].filter((index) => index !== null);
  const batches = new Map(
    (await selectCheckpointsByIndex(statements, [...new Set(rows.flatMap(numbersOf))])).map((row) => [
      row.index,
      sealedOf(row),
    ]),
  );
  return new Map(rows.map((row) => [row.id, numbersOf(row).flatMap((index) => batches.get(index) ?? [])]));
}

async function selectCheckpointsByIndex(
  statements: Statements,
  numbers: readonly number[],
): Promise<CheckpointRow[]> {
  if (numbers.length === 0) return [];
  return statements
    .select()
    .from(auditCheckpoints)
    .where(inArray(auditCheckpoints.index, [...numbers]));
}

function sealedOf({ checkpoint, signature, leaves: packed }: CheckpointRow): Sealed {
  const leaves = unpackLeaves(packed);
  return {
    checkpoint,
    signature,
    leaves: leaves.map(({ hash }) => hash),
    indexes: new Map(leaves.map(({ id }, index) => [id, index])),
  };
}
