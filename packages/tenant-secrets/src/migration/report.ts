import { z } from "zod";
import { readPublicKeys, type SigningKey } from "@repo/audit-log";
import {
  CompanyMigrationResult,
  findingMeanings,
  MigrationVerb,
  SecretStoreName,
  TenantSecretsError,
} from "@repo/catalog";
import { documentText, isSignatureOf, readDocument, signatureOf } from "../runs/signed-document.ts";

const format = "tenant-secrets-migration/1";
const Time = z.iso.datetime();

/** The most secret keys that a report names of a company. */
const maxNamed = 100;

const ReportedCompany = z.strictObject({
  id: z.uuid(),
  subdomain: z.string(),
  state: z.enum(["waiting", "done", "blocked", "failed"]),
  error: z.string().nullable(),
  from: SecretStoreName.nullable(),
  to: SecretStoreName.nullable(),
  epochBefore: z.int().nullable(),
  epochAfter: z.int().nullable(),
  counts: CompanyMigrationResult.shape.counts.strict().nullable(),
  moved: z.int(),
  /** Findings that blocked the company or that it loses by, as code and secret key. */
  findings: z.array(z.string()),
  moreFindings: z.int(),
  folderDigest: z.string().nullable(),
  databaseDigest: z.string().nullable(),
});

/** The content of a report. docs/migration.md explains it. */
const MigrationReport = z.strictObject({
  format: z.literal(format),
  run: z.uuid(),
  verb: MigrationVerb,
  /** PostgreSQL's own identifier of the database cluster. */
  deployment: z.string(),
  startedBy: z.string(),
  startedAt: Time,
  finishedAt: Time,
  companies: z.array(ReportedCompany),
  totals: z.strictObject({ done: z.int(), blocked: z.int(), failed: z.int(), moved: z.int() }),
});
export type MigrationReport = z.infer<typeof MigrationReport>;

const Signed = z.strictObject({ report: z.string(), signature: z.string() });
export type SignedMigrationReport = z.infer<typeof Signed>;

/** A company as it is stored after its turn. */
export interface FinishedCompany {
  readonly id: string;
  readonly subdomain: string;
  readonly state: z.infer<typeof ReportedCompany>["state"];
  readonly error: string | undefined;
  readonly result: CompanyMigrationResult | undefined;
}

type Facts = Pick<MigrationReport, "run" | "verb" | "deployment" | "startedBy" | "startedAt" | "finishedAt">;

/** @returns the report as JSON text, and its signature by the deployment's signing key */
export function signMigrationReport(
  facts: Facts,
  companies: readonly FinishedCompany[],
  key: SigningKey,
): SignedMigrationReport {
  const stateCount = (state: FinishedCompany["state"]) =>
    companies.filter((company) => company.state === state).length;
  const report = documentText(MigrationReport, {
    format,
    ...facts,
    companies: companies.map(reported),
    totals: {
      done: stateCount("done"),
      blocked: stateCount("blocked"),
      failed: stateCount("failed"),
      moved: companies.reduce((sum, { result }) => sum + (result?.moved ?? 0), 0),
    },
  });
  return { report, signature: signatureOf(format, report, key) };
}

/**
 * Verifies a report with a public key alone: without database and Infisical.
 *
 * @param text the file that `migrate report` wrote
 * @param publicKey PEM, as `keys public-key` prints it
 * @returns the report's content
 * @throws {TenantSecretsError} INTEGRITY_FAILURE for a modified report or another key's signature; INVALID_INPUT for a key of
 *   another kind
 */
export function verifyMigrationReport(text: string, publicKey: string): MigrationReport {
  const signed = readDocument(Signed, text);
  if (signed === undefined) throw notGenuine();
  const { report, signature } = signed;
  if (!isSignatureOf(format, report, { signature, keys: readPublicKeys(publicKey) })) throw notGenuine();
  const content = readDocument(MigrationReport, report);
  if (content === undefined) throw notGenuine();
  return content;
}

function reported({ id, subdomain, state, error, result }: FinishedCompany): z.infer<typeof ReportedCompany> {
  const important = (result?.findings ?? []).filter(({ code }) => findingMeanings[code].severity !== "tells");
  return {
    id,
    subdomain,
    state,
    error: error ?? null,
    from: result?.from ?? null,
    to: result?.to ?? null,
    epochBefore: result?.epochBefore ?? null,
    epochAfter: result?.epochAfter ?? null,
    counts: result?.counts ?? null,
    moved: result?.moved ?? 0,
    findings: important
      .slice(0, maxNamed)
      .map(({ code, secretKey }) => (secretKey === undefined ? code : `${code} ${secretKey}`)),
    moreFindings: Math.max(0, important.length - maxNamed) + (result?.moreFindings ?? 0),
    folderDigest: result?.folderDigest ?? null,
    databaseDigest: result?.databaseDigest ?? null,
  };
}

function notGenuine(): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    "This report was modified, or was not signed with this key.",
  );
}
