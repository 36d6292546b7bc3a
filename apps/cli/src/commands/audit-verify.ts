import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { AuditVerification, LoggedCheckpoint } from "@repo/audit-log";
import { z } from "zod";
import { parseJson } from "@repo/catalog";
import { defineCommand } from "../command.ts";
import { IncompleteError, UsageError } from "../failure.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { print, printJson } from "../output.ts";
import { readText } from "../text-file.ts";

export const verifyCommand = defineCommand({
  positionals: [],
  options: {
    checkpoints: {
      type: "string",
      value: "file",
      help: 'Lines of the API\'s log, of which those are used that say "checkpoint signed"',
    },
    "public-key": {
      type: "string",
      value: "file",
      help: "Archived public keys, as audit public-key printed them, instead of this deployment's",
    },
  },
  details: `Compares every event with its MAC, its batch and the numbers of its process, and every batch with the one before, its
signature and, with --checkpoints, the archived log. Names the first of each kind that was changed, removed or inserted, and
ends with exit code 1 then. Without --checkpoints a missing end of the log is not detected. Works on the database itself and not
through an API. For operators. docs/audit-log.md says what this shows and what it cannot.`,
  examples: [
    "audit verify --checkpoints api.log",
    "audit verify --checkpoints api.log --public-key audit-keys.pem --json",
  ],
  run: async ({ checkpoints, json, ...values }) => {
    const keyFile = values["public-key"];
    const publicKeys = keyFile === undefined ? undefined : await readText("public-key", keyFile);
    const verification = await verify({
      publicKeys,
      ...(checkpoints === undefined ? {} : { checkpoints: await readCheckpoints(checkpoints) }),
    });
    if (json) printJson(verification);
    else print(sentencesOf(verification));
    if (verification.findings.length > 0) {
      throw new IncompleteError("The audit log is not as it was written.");
    }
  },
});

/** An archived line, with the time of its log line. */
export interface ArchivedCheckpoint extends LoggedCheckpoint {
  readonly time?: string | undefined;
}

const SealedLine = z.object({
  msg: z.literal("checkpoint signed"),
  batch: z.int().positive(),
  checkpoint: z.string().regex(/^[0-9a-f]{64}$/),
  timeline: z.int().positive().optional(),
  events: z.int().nonnegative().optional(),
  time: z.iso.datetime({ offset: true }).optional(),
});

/** @throws {UsageError} where the file cannot be read, or has none: nothing would have been compared */
export async function readCheckpoints(path: string): Promise<ArchivedCheckpoint[]> {
  const checkpoints: ArchivedCheckpoint[] = [];
  try {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      const sealed = SealedLine.safeParse(parseJson(line)).data;
      if (sealed !== undefined) checkpoints.push(sealed);
    }
  } catch {
    throw new UsageError("--checkpoints names a file that cannot be read.");
  }
  if (checkpoints.length === 0)
    throw new UsageError('--checkpoints names a file without a line of "checkpoint signed".');
  return checkpoints;
}

function verify(options: {
  readonly checkpoints?: readonly ArchivedCheckpoint[];
  readonly publicKeys: string | undefined;
}): Promise<AuditVerification> {
  rejectApiUrl("The audit log is not verified");
  return asOperator(({ audit }, caller) => audit.verify(caller, options));
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
}: AuditVerification): string {
  return [
    ...findings.map(({ kind, count, first }) => `${kind}: ${count}. The first: ${first}`),
    ...notices.map((notice) => `notice: ${notice}`),
    `${events} events, ${unsealed} of them not sealed yet, in ${batches} batches.`,
    `${rows} rows that decide who may read, ${heads} heads of secrets.`,
    lastBatch === undefined
      ? "Nothing is sealed."
      : `The last batch is ${lastBatch.batch}, sealed at ${lastBatch.sealedAt.toISOString()}, its checkpoint ${lastBatch.checkpoint}.`,
    ...(findings.length === 0 ? ["Nothing was changed, removed or inserted."] : []),
  ].join("\n");
}
