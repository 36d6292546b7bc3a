import type { CompanyMigration, Finding, FindingCode, MigrationRequest } from "@repo/catalog";
import { countsInWords, findingMeanings } from "@repo/catalog/migration-findings";

/** Requests to Infisical for one company, by what is done with it; changed secrets come on top. */
const callsOfCompany = { plan: 1, copy: 2, verify: 1, switch: 5, rollback: 4, cleanup: 3 } as const;

/** How much a migration is: "1,000 companies, about 1,000 calls at 60 a minute: about 17 minutes". */
export function expectationOf(
  { verb, ratePerMinute }: Pick<MigrationRequest, "verb" | "ratePerMinute">,
  total: number,
): { readonly calls: number; readonly seconds: number | undefined; readonly text: string } {
  const calls = total * callsOfCompany[verb];
  // Within the budget of one minute, requests are sent at five times its pace.
  const seconds =
    ratePerMinute === null
      ? undefined
      : Math.ceil((calls * 60) / ratePerMinute / (calls <= ratePerMinute ? 5 : 1));
  const pace = seconds === undefined ? "at no limit" : `at ${numberText(ratePerMinute ?? 0)} a minute`;
  const time = seconds === undefined ? "" : `: ${durationText(seconds)}`;
  return {
    calls,
    seconds,
    text: `${counted(total, "company")}, about ${counted(calls, "call")} ${pace}${time}`,
  };
}

const plurals = { company: "companies", call: "calls" } as const;

function counted(count: number, noun: keyof typeof plurals): string {
  return `${numberText(count)} ${count === 1 ? noun : plurals[noun]}`;
}

function numberText(number: number): string {
  return number.toLocaleString("en-US");
}

function durationText(seconds: number): string {
  if (seconds < 90) return `about ${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `about ${minutes} minutes` : `about ${Math.round(minutes / 60)} hours`;
}

/** What became of one company, with its findings on lines of their own. */
export function companyText({ company, state, attempts, error, result }: CompanyMigration): string {
  const { subdomain } = company;
  if (result === undefined) {
    const after = attempts > 1 ? ` after ${attempts} attempts` : "";
    return `${subdomain}: ${state}${after}${error === undefined ? "" : `: ${error.code}: ${error.message}`}`;
  }
  const { counts, moved, from, to, heldMs, moreFindings } = result;
  const said = [
    ...countsInWords(counts),
    ...(moved > 0 ? [`${moved} moved`] : []),
    from === to ? `store ${to}` : `store ${from} → ${to}`,
    ...(heldMs === undefined ? [] : [`writes held for ${heldMs} ms`]),
  ];
  return [
    `${subdomain}: ${state}: ${said.join(", ")}`,
    ...findingsOf(result.findings).map(findingText),
    ...(moreFindings > 0 ? [`  and ${moreFindings} more`] : []),
  ].join("\n");
}

/** Each once: what blocks is among what was found as well. */
function findingsOf(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((finding) => [findingText(finding), finding])).values()];
}

function findingText({ code, secretKey, detail }: Finding): string {
  const named = secretKey === undefined ? "" : ` ${secretKey}`;
  return `  ${code}${named}${detail === undefined ? "" : ` (${detail})`}`;
}

/** What the findings mean, and what to do about them: each sentence once. */
export function meaningsText(codes: ReadonlySet<FindingCode>): string {
  return [...codes].map((code) => `${code}: ${findingMeanings[code].sentence}`).join("\n");
}
