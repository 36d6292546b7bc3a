import { createReadStream } from "node:fs";
import type { FileEntry } from "@repo/catalog/file-formats";
import { UsageError } from "./failure.ts";
import { readText } from "./text-input.ts";

const maxFileBytes = 16 * 1024 * 1024;

/**
 * The secrets of a file, each with its line.
 *
 * @param path "-" for standard input
 * @param format "env" or "json"; without it, what the file's name says
 * @throws {UsageError} where it cannot be read, is too long, or has more secrets than an import takes
 * @throws {TenantSecretsError} INVALID_INPUT with line and column, and nothing of the file
 */
export async function readSecretsFile(path: string, format: string | undefined): Promise<FileEntry[]> {
  const { maxBatchSecrets } = await import("@repo/catalog");
  const { parseEnvFile, parseJsonFile } = await import("@repo/catalog/file-formats");
  const parsers = new Map([
    ["env", parseEnvFile],
    ["json", parseJsonFile],
  ]);
  const parse = parsers.get(format ?? (path.endsWith(".json") ? "json" : "env"));
  if (parse === undefined) throw new UsageError("--format is env or json.");
  const entries = parse(await readWhole(path));
  if (entries.length > maxBatchSecrets) {
    throw new UsageError(
      `The file was refused: it has ${entries.length} secrets, and an import takes at most ${maxBatchSecrets}, all or none. Divide it.`,
    );
  }
  return [...entries];
}

async function readWhole(path: string): Promise<string> {
  try {
    return await readText(path === "-" ? process.stdin : createReadStream(path), maxFileBytes, (fault) => {
      const rule = fault === "is longer" ? `it is longer than ${maxFileBytes} bytes` : `it ${fault}`;
      return new UsageError(`The file was refused: ${rule}.`);
    });
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError("The file cannot be read.");
  }
}
