import { createDecipheriv, type KeyObject } from "node:crypto";
import { TenantSecretsError } from "@repo/catalog";
import { integrityFailure } from "./envelope.ts";

/** An IV of 12 bytes, a ciphertext and a tag of 16 bytes, with all digits in one case. */
const lowerCase = /^([0-9a-f]{24}):([0-9a-f]*):([0-9a-f]{32})$/;
const upperCase = /^([0-9A-F]{24}):([0-9A-F]*):([0-9A-F]{32})$/;

/**
 * Decrypts `ivHex:ciphertextHex:tagHex`: AES-256-GCM under the raw master key, without additional authenticated data. For
 * the import alone: this product never writes the format, and `decryptValue` refuses it.
 *
 * @param rawKey 256 bits
 * @returns the plaintext, which may be empty; the caller wipes it
 * @throws {TenantSecretsError} INVALID_INPUT where the text has another form, INTEGRITY_FAILURE where decryption fails
 */
export function decryptLegacyValue(rawKey: KeyObject, text: string): Buffer {
  const [, iv, ciphertext, tag] = lowerCase.exec(text) ?? upperCase.exec(text) ?? [];
  if (iv === undefined || ciphertext === undefined || tag === undefined || ciphertext.length % 2 === 1) {
    throw new TenantSecretsError(
      "INVALID_INPUT",
      "The text is not an IV of 12 bytes, a ciphertext and a tag of 16 bytes, in hexadecimal and with colons between.",
    );
  }
  const decipher = createDecipheriv("aes-256-gcm", rawKey, Buffer.from(iv, "hex"), {
    authTagLength: 16,
  }).setAuthTag(Buffer.from(tag, "hex"));
  const plaintext = decipher.update(Buffer.from(ciphertext, "hex"));
  try {
    decipher.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    throw integrityFailure();
  }
}
