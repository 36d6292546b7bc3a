import { createHash, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { TenantSecretsError } from "@repo/catalog";
import type { SigningKey } from "./keys.ts";

const format = "tenant-secrets/record/1";

/** The signed statement about a batch. docs/audit-log.md explains each line. */
export interface Checkpoint {
  readonly cluster: string;
  readonly batch: number;
  /** The number of events of the batch, and of all batches up to it. */
  readonly size: number;
  readonly total: number;
  /** The interval of transactions, in decimal: from the first, before the second. */
  readonly from: string;
  readonly to: string;
  readonly floor: bigint;
  readonly root: Buffer;
  /** The hash of the checkpoint before; undefined in the first. */
  readonly previous: Buffer | undefined;
  /** The version of the signing key. */
  readonly key: number;
  readonly sealedAt: Date;
}

export function checkpointText(checkpoint: Checkpoint): string {
  return [
    format,
    `cluster ${checkpoint.cluster}`,
    `batch ${checkpoint.batch}`,
    `size ${checkpoint.size}`,
    `total ${checkpoint.total}`,
    `interval ${checkpoint.from} ${checkpoint.to}`,
    `floor ${checkpoint.floor}`,
    `root ${checkpoint.root.toString("base64")}`,
    `previous ${checkpoint.previous?.toString("base64") ?? "-"}`,
    `key ${checkpoint.key}`,
    `sealed-at ${checkpoint.sealedAt.toISOString()}`,
    "",
  ].join("\n");
}

const number = String.raw`(0|[1-9]\d{0,19})`;
const hash = "([A-Za-z0-9+/]{43}=)";
const checkpointForm = new RegExp(
  `^${[
    format,
    `cluster ${number}`,
    `batch ${number}`,
    `size ${number}`,
    `total ${number}`,
    `interval ${number} ${number}`,
    `floor ${number}`,
    `root ${hash}`,
    `previous (?:-|${hash})`,
    `key ${number}`,
    String.raw`sealed-at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)`,
  ].join(String.raw`\n`)}\n$`,
);

/** @returns undefined for any text that `checkpointText` does not write */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const match = checkpointForm.exec(text);
  if (match === null) return undefined;
  const [
    ,
    cluster = "",
    batch,
    size,
    total,
    from = "",
    to = "",
    floor = "",
    root = "",
    previous,
    key,
    at = "",
  ] = match;
  const checkpoint: Checkpoint = {
    cluster,
    batch: Number(batch),
    size: Number(size),
    total: Number(total),
    from,
    to,
    floor: BigInt(floor),
    root: Buffer.from(root, "base64"),
    previous: previous === undefined ? undefined : Buffer.from(previous, "base64"),
    key: Number(key),
    sealedAt: new Date(at),
  };
  return !Number.isNaN(checkpoint.sealedAt.getTime()) && checkpointText(checkpoint) === text
    ? checkpoint
    : undefined;
}

/** SHA-256 of a checkpoint. The next checkpoint names it, and the log of the process has it in hexadecimal. */
export function checkpointHash(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** @returns the Ed25519 signature over the text, in base64 */
export function signCheckpoint(text: string, key: SigningKey): string {
  return sign(null, Buffer.from(text), key.privateKey).toString("base64");
}

/** Whether one of the keys signed a checkpoint. */
export function isSigned(text: string, signature: string, keys: readonly KeyObject[]): boolean {
  const bytes = Buffer.from(signature, "base64");
  return (
    bytes.toString("base64") === signature && keys.some((key) => verify(null, Buffer.from(text), key, bytes))
  );
}

/**
 * @param pem one or more public keys, as `audit public-key` prints them
 * @throws {TenantSecretsError} INVALID_INPUT where a key is missing, or is not Ed25519
 */
export function readPublicKeys(pem: string): KeyObject[] {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----/g) ?? [];
  const keys = blocks.map(findEd25519Key);
  const known = keys.filter((key) => key !== undefined);
  if (known.length === 0 || known.length < keys.length) {
    throw new TenantSecretsError(
      "INVALID_INPUT",
      "A public key is missing, or is not an Ed25519 key in PEM.",
    );
  }
  return known;
}

function findEd25519Key(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === "ed25519" ? key : undefined;
  } catch {
    return undefined;
  }
}
