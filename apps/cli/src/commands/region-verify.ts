import type { FaultKind, RegionReport } from "@repo/tenant-secrets/operator";
import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { IncompleteError, UsageError } from "../failure.ts";
import { writeNewFile } from "../new-file.ts";
import { print, printJson, remark } from "../output.ts";
import { readArgument } from "../text-file.ts";
import { newFile } from "./common-options.ts";

export const verifyRegionCommand = defineCommand({
  positionals: [],
  optional: "company",
  options: { output: newFile("the signed report") },
  details: `Says what this region has of a company, by its subdomain or id, or of all companies that have to do with another region, and names
what is wrong with it: rows and copies that were planted or changed, copies of a company that may not be here, keys and heads
that its home did not make. Run it in each region: digests of both ends of a route are the same. With --output the report is
written to a new file, signed by this region, for "regions verify-report". Ends with exit code 1 where something is wrong.
For operators.`,
  examples: ["regions verify", "regions verify acmecorp", "regions verify acmecorp --output us.json"],
  run: async ({ company, output, json }) => {
    const verify = () =>
      withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.regions.verify.query({ company }));
    const { readRegionReport } = await import("@repo/tenant-secrets/operator");
    let text = "";
    const write = async (): Promise<string> => (text = JSON.stringify(await verify()));
    if (output === undefined) await write();
    else await writeNewFile(output, async () => `${await write()}\n`);
    const content = readRegionReport(text);
    if (json) printJson(content);
    else print(reportText(content));
    if (output !== undefined) remark(`The report is in ${output}.`);
    requireNoFaults(content);
  },
});

export const verifyRegionReportCommand = defineCommand({
  positionals: ["file"],
  options: {
    fingerprint: {
      type: "string",
      required: true,
      value: "digits",
      help: "The fingerprint of the region whose report it is, as an operator of it told it",
    },
  },
  details: `Says whether a report of "regions verify" is as a region signed it, and what it says. Needs no database, no network and no
credential. Ends with exit code 1 where something is wrong.`,
  examples: [
    'regions verify-report us.json --fingerprint "0c5f5d1e 8a524f0e 9d432f6f 5a7c9e10 0c5f5d1e 8a524f0e 9d432f6f 5a7c9e10"',
  ],
  run: async ({ file, fingerprint, json }) => {
    if (!/^[0-9a-f]{64}$/i.test(fingerprint.replaceAll(" ", "")))
      throw new UsageError("--fingerprint is 64 hexadecimal digits, in groups or not.");
    const { verifyRegionReport } = await import("@repo/tenant-secrets/operator");
    const content = verifyRegionReport(await readArgument("<file>", file), fingerprint);
    if (json) printJson(content);
    else print(`The report is genuine.\n${reportText(content)}`);
    requireNoFaults(content);
  },
});

function requireNoFaults({ faults }: RegionReport): void {
  if (faults.length > 0) throw new IncompleteError("What this region has is not as it should be.");
}

const meanings: Readonly<Record<FaultKind, string>> = {
  "region-not-genuine": "the row of the region was planted or changed",
  "permission-not-genuine": "the row that allows the region was planted or changed",
  "region-unknown": "the region is not known here",
  "not-allowed": "a copy for a region where the company may not be",
  missing: "a copy that the region should have is not there",
  outdated: "the copy is not what is here",
  signature: "the home did not sign the copy as it is",
  key: "the key was not encrypted to this region for this company",
  mac: "no holder of the company's key wrote the copy as it is",
  epoch: "the copy is of another home, or of an earlier epoch of it",
  refused: "copies of an earlier home, or older ones, were sent here",
  elsewhere: "a copy that is neither for this region nor from it",
  "not-at-home": "values of a company that is at home in another region",
  "left-behind": "the company is known here, and no copy of it is",
};

function reportText(content: RegionReport): string {
  const { region, madeAt, madeBy, asked, company, companies, copies, faults, moreFaults } = content;
  return [
    `Region ${region.region}, at ${madeAt}, by ${madeBy}.`,
    ...(asked === null
      ? [`${companies} companies that have to do with another region, ${copies} copies.`]
      : company === null
        ? [`Nothing of ${asked} is here.`]
        : companyLines(company)),
    ...faults.map(({ kind, company: id, region: other, copy }) =>
      [`${kind}: ${meanings[kind]}`, id && `company ${id}`, other && `region ${other}`, copy]
        .filter(Boolean)
        .join(", "),
    ),
    ...(moreFaults > 0 ? [`${moreFaults} more faults`] : []),
    ...(faults.length === 0 ? ["Nothing is wrong."] : []),
  ].join("\n");
}

function companyLines({
  id,
  subdomain,
  home,
  epoch,
  allowed,
  copies,
}: NonNullable<RegionReport["company"]>): readonly string[] {
  return [
    `${subdomain ?? "No subdomain"} (${id}): home ${home ?? "unknown"}, epoch ${epoch ?? "unknown"}.`,
    ...(allowed === null
      ? []
      : [allowed.length === 0 ? "May be in no other region." : `May be in ${allowed.join(", ")}.`]),
    ...copies.map(
      ({ from, to, company, key, secret, digest }) =>
        `Copies from ${from} to ${to}: ${company} of the company, ${key} of keys, ${secret} of secrets, digest ${digest}.`,
    ),
  ];
}
