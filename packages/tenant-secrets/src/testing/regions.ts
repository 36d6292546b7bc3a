import { randomBytes } from "node:crypto";
import type { NewRegion } from "@repo/catalog";
import {
  ed25519KeyOf,
  ed25519PublicBytes,
  regionFingerprint,
  toBase64url,
  x25519KeyOf,
  x25519PublicBytes,
} from "@repo/envelope";

/** Another region with pairs of its own, as its operator would tell of it. */
export function newRegion(
  region: string,
  given: Partial<Pick<NewRegion, "address" | "transportKeyVersion" | "signingKeyVersion">> = {},
): NewRegion {
  const keys = {
    region,
    transportKeyVersion: given.transportKeyVersion ?? 1,
    transportKey: x25519PublicBytes(x25519KeyOf(randomBytes(32))),
    signingKeyVersion: given.signingKeyVersion ?? 1,
    signingKey: ed25519PublicBytes(ed25519KeyOf(randomBytes(32))),
  };
  return {
    ...keys,
    address: given.address ?? `https://${region}.example.com`,
    transportKey: toBase64url(keys.transportKey),
    signingKey: toBase64url(keys.signingKey),
    fingerprint: regionFingerprint(keys),
  };
}
