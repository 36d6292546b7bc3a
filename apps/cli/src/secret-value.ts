import { UsageError } from "./failure.ts";
import { printable } from "./output.ts";

/**
 * The value to write: standard input to its end, or from a terminal, what is typed at a masked prompt.
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
  const { maxValueBytes, TenantSecretsError } = await import("@repo/tenant-secrets/client");
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const buffer = Buffer.from(chunk);
    chunks.push(buffer);
    bytes += buffer.length;
    // Room for the newline that may be dropped.
    if (bytes > maxValueBytes + 2) {
      throw new TenantSecretsError("INVALID_VALUE", `A value is at most ${maxValueBytes} bytes long.`);
    }
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new TenantSecretsError(
      "INVALID_VALUE",
      "A value is text: standard input is not well-formed UTF-8.",
    );
  }
}
