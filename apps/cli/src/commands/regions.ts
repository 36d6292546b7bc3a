import type { RegionDescription } from "@repo/catalog";
import { z } from "zod";
import { withApi } from "../api.ts";
import { confirm } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { minute, print, printJson, table } from "../output.ts";
import { readArgument } from "../text-file.ts";

export const identityCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Prints JSON for an operator of another region, who runs "regions add" with it there. It has public halves of keys and
no secret. Tell them the fingerprint by another way, such as by telephone. For operators.`,
  examples: ["regions identity > eu.json"],
  run: async () => {
    printJson(await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.regions.identity.query()));
  },
});

export const listCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Shows the regions that were added here, with the companies that are copied there. For operators.`,
  examples: ["regions list"],
  run: async ({ json }) => {
    const list = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.regions.list.query());
    if (json) return printJson(list);
    if (list.length === 0) return print('No other region is known here; "regions add" adds one.');
    print(overview(list));
  },
});

function overview(list: readonly RegionDescription[]): string {
  return table(
    ["REGION", "ADDRESS", "COMPANIES", "ADDED", "FINGERPRINT"],
    list.map(({ region, address, companies, createdAt, fingerprint }) => [
      region,
      address,
      String(companies),
      minute(createdAt),
      fingerprint,
    ]),
  );
}

export const statusCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Shows what this region sees of the copies that it has for each other region, and of those that came from there; run it
in both. A digest of what one sends is that of what the other one has, where nothing is on its way. docs/regions.md says
what each fault means, and what mends it. For operators.`,
  examples: ["regions status", "regions status --json"],
  run: async ({ json }) => {
    const status = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.regions.status.query());
    if (json) return printJson(status);
    if (status.others.length === 0) return print('No other region is known here; "regions add" adds one.');
    const said = (faults: readonly string[]) => (faults.length === 0 ? "ok" : faults.join(", "));
    print(
      table(
        ["FROM", "TO", "STATE", "COMPANIES", "COPIES", "DIGEST", "AGE", "REFUSED", "WAL KEPT"],
        status.others.flatMap(({ region, sends, takes }) => [
          [
            status.region,
            region,
            said(sends.faults),
            String(sends.companies),
            String(sends.copies),
            sends.digest.slice(0, 12),
            "",
            "",
            `${sends.walBytes} B`,
          ],
          [
            region,
            status.region,
            said(takes.faults),
            "",
            String(takes.copies),
            takes.digest.slice(0, 12),
            takes.ageSeconds === undefined ? "" : `${Math.round(takes.ageSeconds)} s`,
            String(takes.refusals),
            "",
          ],
        ]),
      ),
    );
  },
});

export const receiptsCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Lists the companies that were copied here and are gone: their home took the region from them, and with the last copy went
their API keys and members here. With --json each has its receipt, signed by the key that "keys public-key" prints.
For operators.`,
  examples: ["regions receipts", "regions receipts --json"],
  run: async ({ json }) => {
    const list = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.regions.receipts.query());
    if (json) return printJson(list);
    if (list.length === 0) return print("No company that was copied here is gone.");
    print(
      table(
        ["COMPANY", "HOME", "GONE"],
        list.map(({ companyId, homeRegion, goneAt }) => [companyId, homeRegion, minute(goneAt)]),
      ),
    );
  },
});

const Identity = z.object({
  region: z.string(),
  address: z.string(),
  transportKeyVersion: z.int(),
  transportKey: z.string(),
  signingKeyVersion: z.int(),
  signingKey: z.string(),
});

export const addCommand = defineCommand({
  positionals: ["identity"],
  options: {
    fingerprint: {
      type: "string",
      required: true,
      value: "digits",
      help: "The fingerprint, as an operator of the other region told it by another way",
    },
  },
  details: `Takes what "regions identity" printed in the other region. Companies can be copied there from then on, and what comes
from there counts. Run it in both regions, each with the other's identity. Run again, it changes the address, or takes
keys that replace the known ones. For operators.`,
  examples: [
    'regions add us.json --fingerprint "0c5f5d1e 8a524f0e 9d432f6f 5a7c9e10 0c5f5d1e 8a524f0e 9d432f6f 5a7c9e10"',
  ],
  run: async ({ identity: file, fingerprint, json }) => {
    const identity = readIdentity(await readArgument("<identity>", file));
    const { region, outcome } = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.regions.add.mutate({ ...identity, fingerprint }),
    );
    if (json) return printJson({ region, outcome });
    print(`${region.region} at ${region.address} ${outcomes[outcome]}.`);
  },
});

const outcomes = {
  added: "was added",
  changed: "has its new address and keys",
  unchanged: "was known already, and is as it was",
} as const;

/** The fingerprint in the file says nothing: it came the same way as the rest. @throws {UsageError} */
function readIdentity(text: string): z.output<typeof Identity> {
  try {
    return Identity.parse(JSON.parse(text));
  } catch {
    throw new UsageError('<identity> does not hold what "regions identity" prints.');
  }
}

export const removeCommand = defineCommand({
  positionals: ["region"],
  options: { yes: { type: "boolean", help: "Do not ask" } },
  details: `Nothing is copied there any more, and what comes from there does not count. Refused while companies are copied there.
The name is not used again. For operators.`,
  examples: ["regions remove us"],
  run: async ({ region, yes, json }) => {
    await confirm(`Forget ${region}? Its name is not used again.`, yes);
    await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.regions.remove.mutate({ region }));
    if (json) printJson({ region });
    else print(`${region} is forgotten.`);
  },
});
