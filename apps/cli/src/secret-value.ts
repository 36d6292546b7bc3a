import { UsageError } from "./failure.ts";
import { printable } from "./output.ts";
import { readText } from "./text-input.ts";

/**
 * The value to write: standard input to its end without a byte order mark, or from a terminal, what is typed at a masked
 * prompt.
 *
 * @param keepNewline whether a newline at the end of standard input belongs to the value
 * @throws {UsageError} when the prompt is cancelled
 * @throws {TenantSecretsError} INVALID_VALUE when standard input is too long, or not UTF-8
 */
export async function readSecretValue(prompt: string, keepNewline: boolean): Promise<string> {
  if (process.stdin.isTTY) return ask(prompt);
  const text = await readStandardInput();
  return keepNewline ? text : text.replace(/\r?\n$/, "");
}

async function ask(prompt: string): Promise<string> {
  const { password } = await import("@clack/prompts");
  const answer = await password({ message: printable(prompt), output: process.stderr });
  if (typeof answer !== "string") throw new UsageError("Cancelled: nothing was written.");
  return answer;
}

async function readStandardInput(): Promise<string> {
  const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
  const { maxValueBytes } = await import("@repo/catalog");
  // Room for a byte order mark and the newline, which may be dropped.
  return readText(process.stdin, maxValueBytes + 5, (fault) => {
    const rule = fault === "is longer" ? `a value is at most ${maxValueBytes} bytes long` : `it ${fault}`;
    return new TenantSecretsError("INVALID_VALUE", `Standard input was refused: ${rule}.`);
  });
}
