import type { KeyObject } from "node:crypto";
import type { Database } from "@repo/db";
import {
  ed25519KeyOf,
  ed25519PublicBytes,
  regionFingerprint,
  type RegionIdentity,
  x25519KeyOf,
  x25519PublicBytes,
} from "@repo/envelope";
import { createKeyLoader } from "./audit-keys.ts";
import type { MasterKeys } from "./master/master-keys.ts";

/** A pair of this region. */
export interface RegionKey {
  readonly keyVersion: number;
  readonly privateKey: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

/** The pairs of this region. Their private halves are random, wrapped as the keys of the audit log are, and stay here. */
export interface RegionKeys {
  /** What other regions encrypt company keys to. @param keyVersion default: the active one, made on first use */
  transport(keyVersion?: number): Promise<RegionKey>;
  /** What signs the copies that other regions get. @param keyVersion as of `transport` */
  signing(keyVersion?: number): Promise<RegionKey>;
  /** What other regions have to know of this one, with the fingerprint that two people compare. */
  identity(): Promise<RegionIdentity & { readonly fingerprint: string }>;
}

/** Each method rejects as the loading of master keys does, and with KEY_UNAVAILABLE for a number that there is not. */
export function createRegionKeys(database: Database, masterKeys: MasterKeys): RegionKeys {
  const transport = createKeyLoader(database, masterKeys, { purpose: "transport", build: transportKeyOf });
  const signing = createKeyLoader(database, masterKeys, { purpose: "copies", build: signingKeyOf });
  return {
    transport,
    signing,
    identity: async () => {
      const [toOpen, toSign] = [await transport(), await signing()];
      const identity = {
        region: masterKeys.region,
        transportKeyVersion: toOpen.keyVersion,
        transportKey: toOpen.publicKey,
        signingKeyVersion: toSign.keyVersion,
        signingKey: toSign.publicKey,
      };
      return { ...identity, fingerprint: regionFingerprint(identity) };
    },
  };
}

function transportKeyOf(keyVersion: number, secret: Buffer): RegionKey {
  const privateKey = x25519KeyOf(secret);
  return { keyVersion, privateKey, publicKey: x25519PublicBytes(privateKey) };
}

function signingKeyOf(keyVersion: number, secret: Buffer): RegionKey {
  const privateKey = ed25519KeyOf(secret);
  return { keyVersion, privateKey, publicKey: ed25519PublicBytes(privateKey) };
}
