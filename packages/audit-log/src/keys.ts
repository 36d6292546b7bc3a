import type { KeyObject } from "node:crypto";

/** One version of an Ed25519 key pair. */
export interface SigningKey {
  readonly keyVersion: number;
  readonly privateKey: KeyObject;
  /** PEM (SubjectPublicKeyInfo). Computed from the private key, because a row in the database proves nothing. */
  readonly publicKey: string;
}
