import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import type { Identity, Recipient } from "age-encryption";
import { TenantSecretsError } from "@repo/catalog";

/**
 * scrypt's work factor as the age tool writes it: 2^18, 256 MiB of memory. Files with a higher one are not ours, and are
 * refused.
 */
const workFactor = 18;
const saltBytes = 16;
const cipher = "chacha20-poly1305";
const tag = { authTagLength: 16 } as const;
/** The nonce is constant because each key, derived with a random salt, is used once. */
const nonce = Buffer.alloc(12);

/**
 * The passphrase recipient of the age format (age-encryption.org/v1, "scrypt"). The library's own runs scrypt on the calling
 * thread, which would block the process for seconds.
 */
export function passphraseRecipient(passphrase: string): Recipient {
  return {
    wrapFileKey: async (fileKey) => {
      const { Stanza } = await import("age-encryption");
      const salt = randomBytes(saltBytes);
      const key = await deriveKey(passphrase, salt, workFactor);
      try {
        const sealing = createCipheriv(cipher, key, nonce, tag);
        const body = Buffer.concat([sealing.update(fileKey), sealing.final(), sealing.getAuthTag()]);
        return [new Stanza(["scrypt", toUnpadded(salt), String(workFactor)], body)];
      } finally {
        key.fill(0);
      }
    },
  };
}

/**
 * Decrypts files of that recipient. @throws {TenantSecretsError} INVALID_INPUT before exceeding the work factor of our own
 * files
 */
export function passphraseIdentity(passphrase: string): Identity {
  return {
    unwrapFileKey: async (stanzas) => {
      const stanza = stanzas.find(({ args }) => args[0] === "scrypt");
      if (stanza === undefined) return null;
      const [, saltText = "", factorText = "", ...surplus] = stanza.args;
      const salt = Buffer.from(saltText, "base64");
      const wellFormed =
        stanzas.length === 1 &&
        surplus.length === 0 &&
        salt.length === saltBytes &&
        toUnpadded(salt) === saltText &&
        /^[1-9]\d*$/.test(factorText) &&
        stanza.body.length === 32;
      if (!wellFormed) throw new Error("malformed scrypt stanza");
      if (Number(factorText) > workFactor) {
        throw new TenantSecretsError(
          "INVALID_INPUT",
          "This file requires a higher scrypt work factor than backups use (2^18), and was not decrypted.",
        );
      }
      const key = await deriveKey(passphrase, salt, Number(factorText));
      try {
        const opening = createDecipheriv(cipher, key, nonce, tag);
        opening.setAuthTag(stanza.body.subarray(16));
        return Buffer.concat([opening.update(stanza.body.subarray(0, 16)), opening.final()]);
      } catch {
        return null;
      } finally {
        key.fill(0);
      }
    },
  };
}

function deriveKey(passphrase: string, salt: Buffer, factor: number): Promise<Buffer> {
  const labelled = Buffer.concat([Buffer.from("age-encryption.org/v1/scrypt"), salt]);
  const options = { N: 2 ** factor, r: 8, p: 1, maxmem: 2 ** (workFactor + 11) };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, labelled, 32, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function toUnpadded(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
