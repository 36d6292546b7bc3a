import { findingMeanings, type FindingCode } from "@repo/tenant-secrets/migration-findings";
import type { ReactNode } from "react";
import type { CompanyMigration, Finding } from "./words.ts";

/** What a plan found that its companies would lose by a roll back. */
export interface PlannedLosses {
  /** The subdomains of the companies that were planned. */
  readonly companies: readonly string[];
  readonly losses: readonly CompanyLosses[];
}

interface CompanyLosses {
  readonly subdomain: string;
  readonly findings: readonly Finding[];
}

/** What the database has and Infisical has no place for. The other losses are of the way to the database. */
const lostInInfisical: ReadonlySet<FindingCode> = new Set([
  "LOSES_PENDING",
  "LOSES_GRACE",
  "LOSES_EXPIRY",
  "LOSES_HISTORY",
]);

export function lossesOf(companies: readonly CompanyMigration[]): PlannedLosses {
  return {
    // Of a company that failed nothing is known.
    companies: companies.flatMap(({ company, result }) => (result === undefined ? [] : [company.subdomain])),
    losses: companies
      .map(({ company, result }) => ({
        subdomain: company.subdomain,
        findings: (result?.findings ?? []).filter(({ code }) => lostInInfisical.has(code)),
      }))
      .filter(({ findings }) => findings.length > 0),
  };
}

/** By company, and for each what is lost of which secret. */
export function Losses({ losses }: Pick<PlannedLosses, "losses">): ReactNode {
  return (
    <ul aria-label="What would be lost" className="grid gap-2">
      {losses.map(({ subdomain, findings }) => (
        <li key={subdomain}>
          <span className="font-medium break-all">{subdomain}</span>
          <ul className="grid list-disc gap-1 pl-4">
            {findings.map(({ code, secretKey }) => (
              <li key={`${code} ${secretKey}`}>
                <code translate="no" className="font-mono text-code break-all">
                  {secretKey}
                </code>
                : {findingMeanings[code].sentence}
              </li>
            ))}
          </ul>
        </li>
      ))}
    </ul>
  );
}
