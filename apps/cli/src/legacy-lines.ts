import { open, type FileHandle } from "node:fs/promises";
import type { LegacyRow } from "@repo/tenant-secrets/operator";
import { z } from "zod";
import { parseJson } from "@repo/catalog";
import { UsageError } from "./failure.ts";

const Line = z.strictObject({
  company: z.string().min(1).max(255),
  secretKey: z.string().max(255),
  encrypted: z.string(),
});

/**
 * Rows of a file of JSON Lines, `{"company": …, "secretKey": …, "encrypted": …}` each. A line that is not one becomes a row
 * that says so; empty lines are passed over.
 *
 * @param batchSize rows at a time
 * @throws {UsageError} where the file cannot be read
 */
export async function* readLegacyLines(
  path: string,
  batchSize: number,
): AsyncGenerator<readonly LegacyRow[], void> {
  let batch: LegacyRow[] = [];
  let number = 0;
  for await (const line of linesOf(path)) {
    number++;
    if (line.trim() === "") continue;
    batch.push(
      Line.safeParse(parseJson(line)).data ?? {
        company: `line ${number}`,
        secretKey: "",
        encrypted: undefined,
      },
    );
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function* linesOf(path: string): AsyncGenerator<string, void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    yield* file.readLines();
  } catch {
    // Nothing but the file is asked for anything in here.
    throw new UsageError("--input names a file that cannot be read.");
  } finally {
    await file?.close();
  }
}
