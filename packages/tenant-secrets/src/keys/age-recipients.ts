import type { Encrypter } from "age-encryption";
import { setImmediate } from "node:timers/promises";
import { buffer } from "node:stream/consumers";
import { recipientsFault, TenantSecretsError } from "@repo/catalog";

/** The age format encrypts so many bytes at once (age-encryption.org/v1, "payload"). */
const chunkBytes = 64 * 1024;
/** Whole lines of armor: 48 bytes are the 64 characters of one. */
const partBytes = 48 * 1024;

/**
 * Encrypts in the age format, armored: a text that the age tool decrypts. Other work of the process goes on meanwhile.
 *
 * @param plaintext the caller zeroes it
 * @param recipients public keys of age-keygen
 * @throws {TenantSecretsError} INVALID_INPUT for an invalid recipient, which is not quoted
 */
export async function encryptToRecipients(
  plaintext: Uint8Array,
  recipients: readonly string[],
): Promise<string> {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  addRecipients(encrypter, recipients);
  // Of a point of low order no shared secret can be made, which the library finds here.
  const encrypted = await encrypter.encrypt(chunksOf(plaintext)).catch(() => {
    throw mistyped();
  });
  return armored(await buffer(encrypted));
}

/** @throws {TenantSecretsError} INVALID_INPUT for an invalid recipient, which is not quoted */
export function addRecipients(encrypter: Encrypter, recipients: readonly string[]): void {
  const fault = recipientsFault(recipients);
  if (fault !== undefined) throw new TenantSecretsError("INVALID_INPUT", fault);
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      throw mistyped();
    }
  }
}

function chunksOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let start = 0;
  return new ReadableStream({
    pull: async (controller) => {
      await setImmediate();
      if (start < bytes.length) controller.enqueue(bytes.subarray(start, start + chunkBytes));
      start += chunkBytes;
      if (start >= bytes.length) controller.close();
    },
  });
}

/** The library's own takes a second for 16 MiB, in which the process does nothing else. */
async function armored(encrypted: Buffer): Promise<string> {
  const parts: string[] = [];
  for (let start = 0; start < encrypted.length; start += partBytes) {
    await setImmediate();
    const lines = encrypted.subarray(start, start + partBytes).toString("base64");
    parts.push(lines.replace(/.{1,64}/g, "$&\n"));
  }
  return `-----BEGIN AGE ENCRYPTED FILE-----\n${parts.join("")}-----END AGE ENCRYPTED FILE-----\n`;
}

function mistyped(): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    "One of the recipients has a typing error: it is no public key that age-keygen prints.",
  );
}
