import { ExternalKeyFailure, type ExternalKeyFault } from "./external-keys.ts";

/** The names of errors of AWS KMS that Encrypt and Decrypt document, and what each one means here. */
const known: Readonly<Record<string, readonly [ExternalKeyFault, string]>> = {
  AccessDeniedException: ["denied", "the key's policy does not allow it"],
  DisabledException: ["denied", "the key is disabled"],
  KMSInvalidStateException: ["denied", "the key is disabled, or is going to be deleted"],
  NotFoundException: ["denied", "there is no such key"],
  InvalidArnException: ["denied", "there is no such key"],
  InvalidGrantTokenException: ["denied", "the grant is not valid"],
  InvalidKeyUsageException: ["denied", "the key is not one for symmetric encryption"],
  UnrecognizedClientException: ["denied", "the credentials of this deployment are not valid"],
  InvalidSignatureException: ["denied", "the credentials of this deployment are not valid"],
  IncorrectKeyException: ["wrong", "it was encrypted by another key"],
  InvalidCiphertextException: ["wrong", "it was encrypted by another key, or for another place"],
  CredentialsProviderError: ["unavailable", "this deployment has no credentials for AWS"],
};

/** @returns the failure of a call, without what the service wrote about it */
export function failureOf(error: unknown): ExternalKeyFailure {
  if (error instanceof ExternalKeyFailure) return error;
  const [fault, why] = (error instanceof Error && Object.hasOwn(known, error.name) && known[error.name]) || [
    "unavailable",
    "it does not answer, or fails",
  ];
  return new ExternalKeyFailure(fault, why);
}
