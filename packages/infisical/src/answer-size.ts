import { InfisicalError } from "./errors.ts";

/**
 * What an answer may hold at most: 32 MiB, a folder of 400 secrets of the largest size that we write. More is not one of
 * ours, and would fill the memory of a process that serves every company.
 */
export const maxAnswerBytes = 32 * 1024 * 1024;

export function answerTooLarge(): InfisicalError {
  return new InfisicalError("INVALID_RESPONSE", {
    sentence:
      "an answer of Infisical is larger than 32 MiB, which no folder of this service is; look what INFISICAL_SITE_URL leads to, and how large the folder has become",
  });
}

/**
 * The text of an answer, unpacked.
 *
 * @throws {InfisicalError} `INVALID_RESPONSE` for one that is too large, of which no more is read than the limit
 */
export async function readText(response: Response): Promise<string> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    sizeBytes += chunk.byteLength;
    // Leaving the loop cancels the rest.
    if (sizeBytes > maxAnswerBytes) throw answerTooLarge();
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}
