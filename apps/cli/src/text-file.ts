import { readFile } from "node:fs/promises";
import { UsageError } from "./failure.ts";

/** @param option the one that names the file. @throws {UsageError} where it cannot be read */
export async function readText(option: string, path: string): Promise<string> {
  return readArgument(`--${option}`, path);
}

/** @param argument as it is spelled, such as `<file>`. @throws {UsageError} where the file cannot be read */
export async function readArgument(argument: string, path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => {
    throw new UsageError(`${argument} names a file that cannot be read.`);
  });
}
