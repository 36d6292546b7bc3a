import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { RecordVerification } from "@repo/tenant-secrets";
import { z } from "zod";
import { defineCommand } from "../command.ts";
import { IncompleteError, UsageError } from "../failure.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { print, printJson } from "../output.ts";
import { readText } from "../text-file.ts";

export const verifyCommand = defineCommand({
  positionals: [],
  options: {
    heads: {
      type: "string",
      value: "file",
      help: 'Lines of the API\'s log, of which those are used that say "record sealed"',
    },
    "public-key": {
      type: "string",
      value: "file",
      help: "Public keys that were kept elsewhere, as audit public-key printed them, instead of this deployment's",
    },
  },
  details: `Compares every event with its MAC, its batch and the numbers of its process, and every batch with the one before, its
signature and, with --heads, what the log kept of it. Names the first of each kind that was changed, removed or inserted, and
ends with exit code 1 then. Without --heads nobody can tell whether the end was cut off. Works on the database itself and not
through an API. For operators. docs/audit-log.md says what this shows and what it cannot.`,
  examples: [
    "audit verify --heads api.log",
    "audit verify --heads api.log --public-key record-keys.pem --json",
  ],
  run: async ({ heads, json, ...values }) => {
    const keyFile = values["public-key"];
    const publicKeys = keyFile === undefined ? undefined : await readText("public-key", keyFile);
    const verification = await verify({
      publicKeys,
      ...(heads === undefined ? {} : { heads: await readHeads(heads) }),
    });
    if (json) printJson(verification);
    else print(sentencesOf(verification));
    if (verification.findings.length > 0) {
      throw new IncompleteError("The record is not as it was written.");
    }
  },
});

type Heads = { readonly batch: number; readonly head: string }[];

const SealedLine = z.object({
  msg: z.literal("record sealed"),
  batch: z.int().positive(),
  head: z.string().regex(/^[0-9a-f]{64}$/),
});

/** @throws {UsageError} where the file cannot be read, or has none: nothing would have been compared */
async function readHeads(path: string): Promise<Heads> {
  const heads: Heads = [];
  try {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      const { batch, head } = SealedLine.safeParse(parseJson(line)).data ?? {};
      if (batch !== undefined && head !== undefined) heads.push({ batch, head });
    }
  } catch {
    throw new UsageError("--heads names a file that cannot be read.");
  }
  if (heads.length === 0) throw new UsageError('--heads names a file without a line of "record sealed".');
  return heads;
}

function verify(options: {
  readonly heads?: Heads;
  readonly publicKeys: string | undefined;
}): Promise<RecordVerification> {
  rejectApiUrl("The record is not verified");
  return asOperator(({ record }, caller) => record.verify(caller, options));
}

function sentencesOf({
  batches,
  events,
  unsealed,
  rows,
  heads,
  lastBatch,
  findings,
  notices,
}: RecordVerification): string {
  return [
    ...findings.map(({ kind, count, first }) => `${kind}: ${count}. The first: ${first}`),
    ...notices.map((notice) => `notice: ${notice}`),
    `${events} events, ${unsealed} of them not sealed yet, in ${batches} batches.`,
    `${rows} rows that decide who may read, ${heads} heads of secrets.`,
    lastBatch === undefined
      ? "Nothing is sealed."
      : `The last batch is ${lastBatch.batch}, sealed at ${lastBatch.sealedAt.toISOString()}, its head ${lastBatch.head}.`,
    ...(findings.length === 0 ? ["Nothing was changed, removed or inserted."] : []),
  ].join("\n");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
