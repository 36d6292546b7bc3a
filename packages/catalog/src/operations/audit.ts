import { z } from "zod";
import { company, moment } from "./fields.ts";
import { operation } from "./operation.ts";

const cursor = z.string().max(200).optional();

const AuditEvent = z.object({
  id: z.uuid(),
  companyId: z.uuid().nullable(),
  occurredAt: z.date(),
  actorKind: z.string(),
  actorId: z.string(),
  action: z.string(),
  secretKey: z.string().nullable(),
  version: z.int().nullable(),
  outcome: z.enum(["success", "denied", "attempted", "failed", "unknown"]),
  reason: z.string().nullable(),
  subject: z.string().nullable(),
  requestId: z.string().nullable(),
  address: z.string().nullable(),
  count: z.int(),
  lastAt: z.date().nullable(),
});

export const auditOperations = {
  /** A company's events, or for operators those of the platform; the newest first. */
  list: operation({
    kind: "query",
    verb: "audit",
    input: z.strictObject({ company: company.optional(), cursor, limit: z.int().min(1).max(100).optional() }),
    output: z.object({ events: z.array(AuditEvent).readonly(), cursor }),
  }),

  /** A page of a company's own events, each with the proof that it is as it was sealed. */
  export: operation({
    kind: "query",
    verb: "audit",
    // It takes the audit log along.
    sensitive: true,
    input: z.strictObject({ company, from: moment, to: moment, cursor }),
    output: z.object({ lines: z.array(z.string()).readonly(), unsealed: z.int(), cursor }),
  }),

  /** The keys that exports and checkpoints are checked with, in PEM. For operators, who publish them. */
  publicKeys: operation({
    kind: "query",
    verb: "audit",
    input: z.void(),
    output: z.object({ publicKeys: z.string() }),
  }),
};
