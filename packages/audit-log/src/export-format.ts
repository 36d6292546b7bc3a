import type { KeyObject } from "node:crypto";
import { z } from "zod";
import { AuditOutcome, TenantSecretsError, parseJson } from "@repo/catalog";
import { isIncluded } from "./merkle.ts";
import { parseCheckpoint, isSigned, readPublicKeys, type Checkpoint } from "./checkpoint.ts";
import { leafOf, type SealedEvent } from "./leaf.ts";

// An export is JSON Lines: a header, then checkpoints and events. An event follows the checkpoint that its proof leads to.

const format = "tenant-secrets/record-export/1";
const Time = z.iso.datetime({ precision: 3 });
const Bytes = z.base64();

const ExportOf = z.strictObject({
  format: z.literal(format),
  company: z.uuid(),
  /** The period: from the first time, before the second. */
  from: Time,
  to: Time,
});
type ExportOf = z.infer<typeof ExportOf>;

const SignedCheckpoint = z.strictObject({ checkpoint: z.string(), signature: z.string() });

const ExportedEvent = z.strictObject({
  id: z.uuid(),
  companyId: z.uuid(),
  occurredAt: Time,
  actorKind: z.string(),
  actorId: z.string(),
  action: z.string(),
  secretKey: z.string().nullable(),
  version: z.int().nullable(),
  outcome: AuditOutcome,
  reason: z.string().nullable(),
  subject: z.string().nullable(),
  requestId: z.string().nullable(),
  address: z.string().nullable(),
  count: z.int(),
  lastAt: Time.nullable(),
  writerId: z.uuid().nullable(),
  sequenceNo: z.int().nullable(),
  nonce: Bytes,
  macKeyVersion: z.int(),
  mac: Bytes,
});
export type ExportedEvent = z.infer<typeof ExportedEvent>;

const ProvenEvent = z.strictObject({ event: ExportedEvent, index: z.int(), proof: z.array(Bytes) });

const Line = z.union([ExportOf, SignedCheckpoint, ProvenEvent]);

export function firstLine(company: string, from: Date, to: Date): string {
  const line: ExportOf = { format, company, from: from.toISOString(), to: to.toISOString() };
  return JSON.stringify(line);
}

export function checkpointLine(checkpoint: string, signature: string): string {
  const line: z.infer<typeof SignedCheckpoint> = { checkpoint, signature };
  return JSON.stringify(line);
}

export function eventLine(
  event: SealedEvent & { readonly companyId: string },
  index: number,
  proof: readonly Buffer[],
): string {
  const { id, companyId, actorKind, actorId, action, secretKey, version, outcome, reason, subject } = event;
  const { requestId, address, count, writerId, sequenceNo, macKeyVersion } = event;
  const line: z.infer<typeof ProvenEvent> = {
    event: {
      id,
      companyId,
      occurredAt: event.occurredAt.toISOString(),
      actorKind,
      actorId,
      action,
      secretKey,
      version,
      outcome,
      reason,
      subject,
      requestId,
      address,
      count,
      lastAt: event.lastAt?.toISOString() ?? null,
      writerId,
      sequenceNo,
      nonce: event.nonce.toString("base64"),
      macKeyVersion,
      mac: event.mac.toString("base64"),
    },
    index,
    proof: proof.map((hash) => hash.toString("base64")),
  };
  return JSON.stringify(line);
}

/** Verifies an export line by line. */
export interface ExportVerifier {
  /**
   * @returns the event of the line, as it was sealed; undefined for a line without one
   * @throws {TenantSecretsError} INTEGRITY_FAILURE, which names the line, for an event that was changed or repeated, or is not
   *   of the company and the period of the header
   */
  add(line: string): ExportedEvent | undefined;
  /** The header. @throws {TenantSecretsError} INTEGRITY_FAILURE where it is missing */
  of(): { readonly company: string; readonly from: Date; readonly to: Date };
}

/**
 * Verifies with the export and the public keys alone. It proves that each event was sealed as it is; it cannot prove that no
 * event was left out.
 *
 * @param publicKeys PEM, one or more, as `audit public-key` prints them
 * @throws {TenantSecretsError} INVALID_INPUT for keys of another kind
 */
export function createExportVerifier(publicKeys: string): ExportVerifier {
  const keys = readPublicKeys(publicKeys);
  let lines = 0;
  let of: ExportOf | undefined;
  let checkpoint: Checkpoint | undefined;
  const met = new Set<string>();
  return {
    add: (text) => {
      lines++;
      const line = Line.safeParse(parseJson(text)).data;
      if (line === undefined) throw wrong(lines, "is not a line of an export");
      if ("format" in line) {
        if (of !== undefined) throw wrong(lines, "begins another export");
        of = line;
        return undefined;
      }
      if (of === undefined) throw wrong(lines, "comes before the header");
      if ("checkpoint" in line) {
        checkpoint = readSigned(line, keys);
        if (checkpoint === undefined) throw wrong(lines, "has a checkpoint that none of the keys has signed");
        return undefined;
      }
      const { event, index, proof } = line;
      if (checkpoint === undefined) throw wrong(lines, "comes before the checkpoint of its batch");
      const leaf = leafOf(sealedEventOf(event));
      const hashes = proof.map((hash) => Buffer.from(hash, "base64"));
      if (!isIncluded(leaf, index, { size: checkpoint.size, proof: hashes, root: checkpoint.root })) {
        throw wrong(lines, `has an event that is not as it was sealed in batch ${checkpoint.batch}`);
      }
      if (event.companyId !== of.company) throw wrong(lines, "has an event of another company");
      if (event.occurredAt < of.from || event.occurredAt >= of.to) {
        throw wrong(lines, "has an event of another time");
      }
      if (met.has(event.id)) throw wrong(lines, "repeats an event");
      met.add(event.id);
      return event;
    },
    of: () => {
      if (of === undefined) throw wrong(1, "is missing");
      return { company: of.company, from: new Date(of.from), to: new Date(of.to) };
    },
  };
}

function readSigned({ checkpoint, signature }: z.infer<typeof SignedCheckpoint>, keys: readonly KeyObject[]) {
  return isSigned(checkpoint, signature, keys) ? parseCheckpoint(checkpoint) : undefined;
}

function sealedEventOf(event: ExportedEvent): SealedEvent {
  return {
    ...event,
    occurredAt: new Date(event.occurredAt),
    lastAt: event.lastAt === null ? null : new Date(event.lastAt),
    nonce: Buffer.from(event.nonce, "base64"),
    mac: Buffer.from(event.mac, "base64"),
  };
}

function wrong(line: number, what: string): TenantSecretsError {
  return new TenantSecretsError("INTEGRITY_FAILURE", `Line ${line} of the export ${what}.`);
}
