import type { Decrypter, Encrypter } from "age-encryption";
import { z } from "zod";
import { TenantSecretsError } from "@repo/catalog";
import { Argon2Parameters, passphraseFault } from "@repo/envelope";
import { addRecipients } from "../age-recipients.ts";
import { passphraseIdentity, passphraseRecipient } from "./age-passphrase.ts";

/** The recipients of a backup: the holders of identities, or of a passphrase. */
export type BackupLock = { readonly recipients: readonly string[] } | { readonly passphrase: string };

/** Decrypts a backup: the text of an identity file, as age-keygen writes it, or the passphrase. */
export type BackupOpener = { readonly identityFile: string } | { readonly passphrase: string };

const format = "tenant-secrets-keys/1";
const maxFileLength = 1024 * 1024;

/** The library is large, and most processes neither create nor read a backup. */
const loadAge = () => import("age-encryption");

const Moment = z.iso.datetime().transform((text) => new Date(text));

export const DerivationParameters = z.union([z.strictObject({}), Argon2Parameters]);

/** A row of the registry, with the key itself unless it is destroyed. */
const BackupKey = z
  .strictObject({
    region: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
    version: z.int32().positive(),
    status: z.enum(["pending", "active", "retiring", "retired", "destroyed"]),
    derivation: z.enum(["hkdf-sha256", "argon2id"]),
    parameters: DerivationParameters,
    checkValue: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
    createdAt: Moment,
    activatedAt: Moment.nullable(),
    retiredAt: Moment.nullable(),
    /** The text in Infisical; null if destroyed. */
    text: z.string().min(1).max(10_000).nullable(),
  })
  .refine((key) => (key.text === null) === (key.status === "destroyed"))
  .refine((key) => (key.derivation === "argon2id") === "salt" in key.parameters);
export type BackupKey = z.output<typeof BackupKey>;

/** A version of the secret of the sign-in, as it stands in Infisical. */
const BackupSignInSecret = z.strictObject({
  version: z.int32().positive(),
  text: z.string().min(1).max(10_000),
});
export type BackupSignInSecret = z.output<typeof BackupSignInSecret>;

const KeyBackup = z.strictObject({
  format: z.literal(format),
  createdAt: Moment,
  /** The check value of the registry's first key, the same in all backups of a system. */
  system: z.string().regex(/^[a-z][a-z0-9-]{0,31}\/\d{1,10} [A-Za-z0-9_-]{22}$/),
  /** Bounded, because each may take a second to derive. */
  keys: z
    .array(BackupKey)
    .min(1)
    .max(200)
    .refine((keys) => new Set(keys.map(({ region, version }) => `${region}/${version}`)).size === keys.length)
    .refine((keys) =>
      keys.every(
        ({ region }) => keys.filter((key) => key.region === region && key.status === "active").length <= 1,
      ),
    ),
  /** Sessions are signed, and authenticator apps encrypted with it. None where people do not sign in. */
  signInSecrets: z
    .array(BackupSignInSecret)
    .max(200)
    .refine((secrets) => new Set(secrets.map(({ version }) => version)).size === secrets.length),
});
type KeyBackup = z.output<typeof KeyBackup>;
/** The content of a backup. */
export type BackupContent = Omit<KeyBackup, "format">;

/**
 * Encrypts a backup in the age format, armored: a text that the age tool decrypts.
 *
 * @throws {TenantSecretsError} INVALID_INPUT for an invalid recipient, or a weak passphrase
 */
export async function encryptBackup(content: BackupContent, lock: BackupLock): Promise<string> {
  const { armor, Encrypter } = await loadAge();
  const encrypter = new Encrypter();
  if ("passphrase" in lock) {
    const fault = passphraseFault(lock.passphrase);
    if (fault !== undefined)
      throw invalid(`The backup's passphrase ${fault}. Take six random words or more.`);
    encrypter.addRecipient(passphraseRecipient(lock.passphrase));
  } else {
    addBackupRecipients(encrypter, lock.recipients);
  }
  const plaintext = Buffer.from(JSON.stringify({ format, ...content }, undefined, 2), "utf8");
  try {
    // A backup that could not be parsed again is not written.
    parse(plaintext);
    return armor.encode(await encrypter.encrypt(plaintext));
  } finally {
    plaintext.fill(0);
  }
}

/**
 * Decrypts a backup and validates its content against the schema. The content is not trusted beyond that: anyone who knows a
 * recipient can create a file for it.
 *
 * @throws {TenantSecretsError} INVALID_INPUT for a wrong passphrase or identity, or a file that is no backup; INTEGRITY_FAILURE
 *   for a damaged one; NOT_SUPPORTED for a later format
 */
export async function decryptBackup(file: string, opener: BackupOpener): Promise<KeyBackup> {
  if (file.length > maxFileLength || !file.trimStart().startsWith("-----BEGIN AGE ENCRYPTED FILE-----"))
    throw invalid("This is not a backup: that is an armored age file.");
  const { Decrypter } = await loadAge();
  const decrypter = new Decrypter();
  if ("passphrase" in opener) {
    decrypter.addIdentity(passphraseIdentity(opener.passphrase));
  } else {
    addIdentities(decrypter, opener.identityFile);
  }
  const plaintext = await decrypt(decrypter, file);
  try {
    return parse(plaintext);
  } finally {
    plaintext.fill(0);
  }
}

async function decrypt(decrypter: Decrypter, file: string): Promise<Uint8Array> {
  const { armor } = await loadAge();
  try {
    return await decrypter.decrypt(armor.decode(file));
  } catch (error) {
    if (error instanceof TenantSecretsError) throw error;
    // The library reports a wrong key only by this message.
    if (error instanceof Error && error.message.startsWith("no identity matched"))
      throw invalid("The backup does not open with this: it is for another identity or passphrase.");
    throw damaged("The backup is damaged or cut off: it was not opened.");
  }
}

function parse(plaintext: Uint8Array): KeyBackup {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plaintext));
  } catch {
    throw damaged("The file opens, but there is no backup in it.");
  }
  const stated = z.looseObject({ format: z.string() }).safeParse(json).data?.format ?? "";
  if (stated !== format && /^tenant-secrets-keys\/\d{1,9}$/.test(stated)) {
    throw new TenantSecretsError(
      "NOT_SUPPORTED",
      `The backup's format is ${stated}, and this release reads ${format}: use the release that made it.`,
    );
  }
  const parsed = KeyBackup.safeParse(json);
  if (parsed.success) return parsed.data;
  // Paths only: the content may be a key.
  const places = parsed.error.issues.slice(0, 5).map(({ path }) => path.filter(isPlace).join("."));
  throw damaged(`The file opens, but what is in it is not a backup of keys: see ${places.join(", ")}.`);
}

/** Shows a number or a name of ours only: a name in the file could be anything. */
function isPlace(part: PropertyKey): boolean {
  if (typeof part === "number") return true;
  return typeof part === "string" && (part in KeyBackup.shape || part in BackupKey.shape);
}

/** @throws {TenantSecretsError} INVALID_INPUT without recipients, or for an invalid one */
export async function checkRecipients(recipients: readonly string[]): Promise<void> {
  const { Encrypter } = await loadAge();
  addBackupRecipients(new Encrypter(), recipients);
}

/** A recipient that the configuration has twice is one. */
function addBackupRecipients(encrypter: Encrypter, recipients: readonly string[]): void {
  if (recipients.length === 0) throw invalid("A backup has at least one recipient.");
  addRecipients(encrypter, [...new Set(recipients)]);
}

function addIdentities(decrypter: Decrypter, identityFile: string): void {
  const lines = identityFile.split(/\r?\n/).filter((line) => !/^(?:#.*|\s*)$/.test(line));
  try {
    if (lines.length === 0) throw new Error("no identity");
    for (const line of lines) decrypter.addIdentity(line);
  } catch {
    throw invalid(
      "The identity file is not one of age-keygen's, with lines AGE-SECRET-KEY-1…. One that has a passphrase is opened first, with: age -d",
    );
  }
}

function invalid(sentence: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", sentence);
}

function damaged(sentence: string): TenantSecretsError {
  return new TenantSecretsError("INTEGRITY_FAILURE", sentence);
}
