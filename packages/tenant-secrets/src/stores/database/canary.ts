import { and, isNull, sql } from "drizzle-orm";
import { type Canary, type Database, type SecretHeadRow, tables } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";
import type { Company, CompanyScope } from "../../companies/companies.ts";
import type { OfSecret } from "../store.ts";
import { createChangeSecret } from "./change-secret.ts";
import { activeHead, changeHead, type Head, ofVersion } from "./secret-head.ts";
import type { DatabaseParts } from "./transaction.ts";

const { companySecretVersions } = tables;

/** A share of the uses of a secret that begins with its pending version, for some time. */
export interface CanaryTrial {
  readonly currentVersion: number;
  readonly pendingVersion: number;
  readonly percent: number;
  readonly seconds: number;
}

/** Begins a canary. @throws {TenantSecretsError} NOT_FOUND; CONFLICT where another version is current, or pending */
export async function beginCanary(
  parts: DatabaseParts,
  scope: CompanyScope,
  { secretKey, currentVersion: beside, pendingVersion: version, percent, seconds }: OfSecret<CanaryTrial>,
): Promise<void> {
  const change = { action: "secret.canary", of: { secretKey } } as const;
  await createChangeSecret(parts)(scope, change, async (statements, locked) => {
    const head = activeHead(locked?.head);
    if (head.currentVersion !== beside || head.pendingVersion !== version) throw hasChanged(head);
    const until = new Date(head.now.getTime() + seconds * 1000).toISOString();
    await changeHead(statements, head, { canary: { version, beside, percent, until } });
    return { version };
  });
}

/** The canary of a head, while it is about what is pending and current. */
export function triedIn({
  canary,
  currentVersion,
  pendingVersion,
}: Pick<Head, "canary" | "currentVersion" | "pendingVersion">): Canary | undefined {
  const isTried = canary?.version === pendingVersion && canary?.beside === currentVersion;
  return isTried ? (canary ?? undefined) : undefined;
}

/** The value of a canary that lasts, and for how many milliseconds by the database's clock. */
export interface TriedVersion {
  readonly encrypted: string;
  readonly companyKeyVersion: number;
  readonly expiresAtMs: number | null;
  readonly leftMs: number;
}

/** @returns undefined where the head has none, or it is over */
export async function findTried(
  { inCompany }: Pick<Database, "inCompany">,
  company: Company,
  head: SecretHeadRow,
): Promise<TriedVersion | undefined> {
  const canary = triedIn(head);
  if (canary === undefined) return undefined;
  const { secretKey } = head;
  const [row] = await inCompany(company.id, (statements) =>
    statements
      .select({
        encrypted: companySecretVersions.valueEncrypted,
        companyKeyVersion: companySecretVersions.companyKeyVersion,
        expiresAtMs: sql<
          number | null
        >`(extract(epoch from ${companySecretVersions.expiresAt}) * 1000)::float8`,
        leftMs: sql<number>`(extract(epoch from ${canary.until}::timestamptz - now()) * 1000)::float8`,
      })
      .from(companySecretVersions)
      .where(
        and(
          ofVersion({ companyId: company.id, secretKey }, canary.version),
          isNull(companySecretVersions.destroyedAt),
        ),
      ),
  );
  if (row?.encrypted == null || row.companyKeyVersion === null || row.leftMs <= 0) return undefined;
  return { ...row, encrypted: row.encrypted, companyKeyVersion: row.companyKeyVersion };
}

function hasChanged({ currentVersion }: Head): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "Another version of this secret is current or pending by now: look at its history.",
    currentVersion === null ? {} : { currentVersion },
  );
}
