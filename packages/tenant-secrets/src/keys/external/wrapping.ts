import type { CompanyId } from "@repo/catalog";
import { companyKeyCheck, type ExternalWrap, sameBytes } from "@repo/envelope";
import { ExternalKeyFailure, type ExternalKeys, type KeyContext } from "@repo/external-keys";
import { ExternalKeyError } from "./external-key-error.ts";

/** Which key of which company an external key encrypts. */
export interface WrappedKeyOf {
  readonly companyId: CompanyId;
  readonly keyVersion: number;
}

/** Encrypts the 32 bytes of a company's key by its external key. @throws {ExternalKeyError} */
export async function encryptExternally(
  keys: ExternalKeys,
  { externalKey, ...of }: WrappedKeyOf & Pick<ExternalWrap, "externalKey">,
  secret: Buffer,
): Promise<ExternalWrap> {
  const ciphertext = await translated(keys.encrypt(externalKey, secret, contextOf(of)));
  return { externalKey, ciphertext, check: companyKeyCheck(secret, of.companyId, of.keyVersion) };
}

/** @returns the 32 bytes, which the caller wipes @throws {ExternalKeyError}, also where they are other ones than before */
export async function decryptExternally(
  keys: ExternalKeys,
  of: WrappedKeyOf,
  wrap: ExternalWrap,
): Promise<Buffer> {
  const secret = await translated(keys.decrypt(wrap.externalKey, wrap.ciphertext, contextOf(of)));
  if (sameBytes(companyKeyCheck(secret, of.companyId, of.keyVersion), wrap.check)) return secret;
  secret.fill(0);
  throw new ExternalKeyError("wrong");
}

/** What the key's owner sees in the log of the service, and can name in the key's policy. */
export function contextOf({
  companyId,
  keyVersion,
}: {
  readonly companyId: CompanyId;
  readonly keyVersion: number | "probe";
}): KeyContext {
  return { product: "tenant-secrets", company: companyId, "key-version": String(keyVersion) };
}

async function translated<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof ExternalKeyFailure ? new ExternalKeyError(error.fault) : error;
  }
}
