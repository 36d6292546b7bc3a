import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { withApi, type Api } from "../api.ts";
import { timeOf } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { writeNewFile } from "../new-file.ts";
import { print, printJson } from "../output.ts";
import { retryRateLimited } from "../retry-rate-limited.ts";
import { readText } from "../text-file.ts";
import { company } from "./common-options.ts";

export const exportCommand = defineCommand({
  positionals: [],
  options: {
    company,
    output: {
      type: "string",
      required: true,
      value: "file",
      help: "A new file that only its owner can read",
    },
    from: {
      type: "string",
      value: "time",
      help: "Events from then on: 2026-01-31 or 2026-01-31T12:00:00Z; the first where it is left out",
    },
    to: { type: "string", value: "time", help: "Events before then; now where it is left out" },
  },
  details: `Writes the company's events, each with a proof that it is as it was sealed, which can be checked without
us. It holds nothing of other companies but how many events there are in all. Events of the last seconds may not be sealed
yet, and are left out. For operators.`,
  examples: ["audit export --company acmecorp --from 2026-01-01 --to 2026-02-01 --output january.jsonl"],
  run: async ({ company: subdomain, output, json, ...values }) => {
    const from = values.from === undefined ? new Date(0) : timeOf("from", values.from);
    const to = values.to === undefined ? new Date() : timeOf("to", values.to);
    const count = { events: 0, unsealed: 0 };
    await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      writeNewFile(output, async () => pages(api, { company: subdomain, from, to }, count)),
    );
    if (json) return printJson({ output, ...count });
    const left = count.unsealed === 0 ? "" : ` ${count.unsealed} are not sealed yet, and were left out.`;
    print(`${count.events} events of ${subdomain} are in ${output}.${left}`);
  },
});

interface ExportedRange {
  readonly company: string;
  readonly from: Date;
  readonly to: Date;
}

async function* pages(
  api: Api,
  range: ExportedRange,
  count: { events: number; unsealed: number },
): AsyncGenerator<string> {
  let cursor: string | undefined;
  do {
    const after = cursor;
    const page = await retryRateLimited(() => api.audit.export.query({ ...range, cursor: after }));
    cursor = page.cursor;
    count.unsealed += page.unsealed;
    count.events += page.lines.filter((line) => line.startsWith('{"event":')).length;
    yield page.lines.map((line) => `${line}\n`).join("");
  } while (cursor !== undefined);
}

export const verifyExportCommand = defineCommand({
  positionals: ["file"],
  options: {
    "public-key": {
      type: "string",
      required: true,
      value: "file",
      help: "The public keys, as audit public-key printed them",
    },
  },
  details: `Says whether every event in an export is as it was sealed. Needs no database, no credential and no network. It cannot
say whether events were left out.`,
  examples: ["audit verify-export january.jsonl --public-key audit-keys.pem"],
  run: async ({ file, json, ...values }) => {
    const { createExportVerifier } = await import("@repo/audit-log/verify");
    const verifier = createExportVerifier(await readText("public-key", values["public-key"]));
    let events = 0;
    for await (const line of linesOf(file)) {
      if (verifier.add(line) !== undefined) events++;
    }
    const { company: id, from, to } = verifier.of();
    if (json) return printJson({ company: id, from, to, events });
    print(
      `${events} events of company ${id}, from ${from.toISOString()} to ${to.toISOString()}: each is as it was sealed.`,
    );
  },
});

async function* linesOf(path: string): AsyncGenerator<string> {
  const input = createReadStream(path);
  const opened = new Promise<void>((resolve, reject) => {
    input.once("open", () => resolve()).once("error", reject);
  });
  await opened.catch(() => {
    throw new UsageError("<file> cannot be read.");
  });
  yield* createInterface({ input });
}
