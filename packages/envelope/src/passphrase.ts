import { argon2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { z } from "zod";
import { TenantSecretsError } from "@repo/catalog";
import { fromBase64url, toBase64url } from "./encoding.ts";

const prefix = "passphrase:";
const saltBytes = 16;
const gibibyteKiB = 1024 * 1024;

/**
 * The parameters of a passphrase, stored beside the version of its key. They are bounded, because an attacker may have
 * written them: below OWASP's minimum (19 MiB, two passes) guessing is cheap, above the maximum a reader runs out of memory.
 */
export const Argon2Parameters = z.strictObject({
  algorithm: z.literal("argon2id"),
  /** 0x13, the one that RFC 9106 describes. */
  version: z.literal(19),
  memoryKiB: z
    .int()
    .min(19 * 1024)
    .max(gibibyteKiB),
  passes: z.int().min(2).max(10),
  lanes: z.int().min(1).max(16),
  /** base64url of 16 bytes. */
  salt: z.string().refine((text) => fromBase64url(text)?.length === saltBytes),
});
export type Argon2Parameters = z.infer<typeof Argon2Parameters>;

/** The second recommended option of RFC 9106, 4, with a random salt. */
export function newArgon2Parameters(): Argon2Parameters {
  return {
    algorithm: "argon2id",
    version: 19,
    memoryKiB: 64 * 1024,
    passes: 3,
    lanes: 4,
    salt: toBase64url(randomBytes(saltBytes)),
  };
}

/** Whether a master key in Infisical is a passphrase rather than 256 bits. Its quality is not judged. */
export function isPassphrase(text: string): boolean {
  return text.startsWith(prefix);
}

/** @returns the fault of a passphrase (without "passphrase:") as the end of a sentence; undefined for a good one */
export function passphraseFault(passphrase: string): string | undefined {
  const characters = Array.from(passphrase);
  if (characters.length < 20) return "has fewer than 20 characters";
  if (new Set(characters).size < 8) return "has fewer than 8 different characters";
  // Infisical drops outer white space and editors add some, which would change the passphrase.
  if (passphrase.trim() !== passphrase) return "begins or ends with white space";
  return passphrase.isWellFormed() ? undefined : "is not well-formed Unicode";
}

const derive = promisify(argon2);

/**
 * Derives 32 bytes from a master key that is a passphrase (Argon2id, RFC 9106). The UTF-8 of what follows
 * "passphrase:" is not normalised: "é" as one character and as two are two passphrases.
 *
 * @param text as Infisical holds it, with "passphrase:"
 * @param parameters as they are stored; checked before any memory is allocated
 * @returns secret bytes, for the caller to wipe
 * @throws {TenantSecretsError} MASTER_KEY_MALFORMED, which names the rule and no part of the passphrase
 */
export async function deriveFromPassphrase(text: string, parameters: unknown): Promise<Buffer> {
  const passphrase = text.slice(prefix.length);
  const fault = isPassphrase(text) ? passphraseFault(passphrase) : `does not begin with "${prefix}"`;
  if (fault !== undefined)
    throw malformed(`A master key that is a passphrase ${fault}. Take six random words or more.`);
  const parsed = Argon2Parameters.safeParse(parameters);
  if (!parsed.success) {
    throw malformed(
      "The parameters that are stored for a passphrase are not Argon2id's, or outside of what is accepted: 19 MiB to 1 GiB, 2 to 10 passes, 1 to 16 lanes, a salt of 16 bytes.",
    );
  }
  const { memoryKiB, passes, lanes, salt } = parsed.data;
  const message = Buffer.from(passphrase, "utf8");
  try {
    return await derive("argon2id", {
      message,
      nonce: Buffer.from(salt, "base64url"),
      memory: memoryKiB,
      passes,
      parallelism: lanes,
      tagLength: 32,
    });
  } finally {
    message.fill(0);
  }
}

function malformed(sentence: string): TenantSecretsError {
  return new TenantSecretsError("MASTER_KEY_MALFORMED", sentence);
}
