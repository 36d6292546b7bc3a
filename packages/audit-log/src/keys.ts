import type { KeyObject } from "node:crypto";

/** An Ed25519 pair. What it signs can be checked by anybody who has the public half. */
export interface SigningKey {
  readonly keyVersion: number;
  readonly privateKey: KeyObject;
  /** PEM (SubjectPublicKeyInfo). Computed from the private half: a row in the database proves nothing. */
  readonly publicKey: string;
}
