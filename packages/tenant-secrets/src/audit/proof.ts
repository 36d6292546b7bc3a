import { createHash, createPublicKey } from "node:crypto";
import { and, desc, gt, gte, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { AuditProof, CompanyId } from "@repo/catalog";

const { auditCheckpoints, auditEvents, auditVerifications } = tables;

/** The most waiting events that are counted: a sealer that stands still must not make this a scan. */
const mostCounted = 10_000;

/** @param company left out: all companies and the platform */
export async function selectProof(
  statements: Statements,
  company: CompanyId | undefined,
): Promise<Omit<AuditProof, "keyFingerprint">> {
  const { index, toXid, floor, sealedAt } = auditCheckpoints;
  const [last] = await statements
    .select({ batch: index, at: sealedAt, toXid, floor })
    .from(auditCheckpoints)
    .orderBy(desc(index))
    .limit(1);
  const waiting = statements
    .select({ companyId: auditEvents.companyId })
    .from(auditEvents)
    .where(last && and(gte(auditEvents.xid, last.toXid), gt(auditEvents.position, last.floor)))
    .limit(mostCounted)
    .as("waiting");
  const [unsealed] = await statements
    .select({ count: sql<number>`count(*)::integer` })
    .from(waiting)
    .where(company === undefined ? undefined : sql`${waiting.companyId} = ${company}`);
  const [verification] = await statements
    .select()
    .from(auditVerifications)
    .orderBy(desc(auditVerifications.id))
    .limit(1);
  return {
    sealed: last && { batch: last.batch, at: last.at },
    unsealed: unsealed?.count ?? 0,
    verification: verification && {
      finishedAt: verification.finishedAt,
      batch: verification.throughBatch,
      outcome: verification.findings === 0 ? "sound" : "changed",
      findings: verification.findings,
    },
  };
}

/** @param publicKey PEM. @returns SHA-256 of its SubjectPublicKeyInfo in DER, in hexadecimal */
export function fingerprintOf(publicKey: string): string {
  const der = createPublicKey(publicKey).export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex");
}
