import { sql } from "drizzle-orm";
import type { Statements } from "@repo/db";
import type { SystemHealth } from "@repo/catalog";
import { z } from "zod";
import { selectOpenFailover } from "../audit/last-failover.ts";
import { selectProof } from "../audit/proof.ts";

type AuditHealth = NonNullable<SystemHealth["audit"]>;

/** Seconds, as the sealer's own alarms: it seals each second, and an empty batch each minute. */
const lagAfterSeconds = 30;
const notSealedAfterSeconds = 120;

const Sealing = z.object({
  lagSeconds: z.int(),
  /** Null before the first batch. */
  sealedSecondsAgo: z.int().nullable(),
  restored: z.boolean(),
});

/**
 * The state of the audit log, from the database alone: the alarms of all processes hold in each. Lengths of time are by the
 * database's clock.
 */
export async function selectAuditHealth(statements: Statements): Promise<AuditHealth> {
  const proof = await selectProof(statements, undefined);
  const rows = await statements.execute(sql`
    select
      coalesce((select greatest(0, extract(epoch from now() - e.occurred_at)) from audit_events e
        where e.xid >= coalesce(last.to_xid, '0'::xid8) and e.position > coalesce(last.floor, 0)
        order by e.xid, e.position limit 1), 0)::int as "lagSeconds",
      extract(epoch from now() - last.sealed_at)::int as "sealedSecondsAgo",
      coalesce(last.cluster <> (select system_identifier::text from pg_control_system()), false) as restored
    from (values (1)) one left join lateral (
      select to_xid, floor, sealed_at, cluster from audit_checkpoints order by index desc limit 1) last on true`);
  const { lagSeconds, sealedSecondsAgo, restored } = Sealing.parse(rows[0]);
  const failover = await selectOpenFailover(statements);
  const alarms = {
    AUDIT_LAGS: lagSeconds > lagAfterSeconds,
    AUDIT_NOT_SEALED: sealedSecondsAgo === null || sealedSecondsAgo > notSealedAfterSeconds,
    AUDIT_RESTORED: restored,
    AUDIT_FAILED_OVER: failover !== undefined,
    AUDIT_CHANGED: proof.verification?.outcome === "changed",
  };
  return {
    ...proof,
    lagSeconds,
    failover: failover && { afterBatch: failover.batch, at: failover.sealedAt },
    alarms: alarmCodes.filter((code) => alarms[code]),
  };
}

const alarmCodes = [
  "AUDIT_LAGS",
  "AUDIT_NOT_SEALED",
  "AUDIT_RESTORED",
  "AUDIT_FAILED_OVER",
  "AUDIT_CHANGED",
] as const;
