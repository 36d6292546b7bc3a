import { createHmac } from "node:crypto";
import { sameBytes } from "./bytes.ts";
import type { CompanyKey } from "./derivation.ts";
import { encodeFields } from "./encoding.ts";

/** The state of a secret that its head authenticates: which versions are active. Times are milliseconds of Unix time. */
export interface HeadState {
  readonly companyId: string;
  readonly secretKey: string;
  readonly currentVersion: number | null;
  readonly pendingVersion: number | null;
  readonly lastVersion: number;
  readonly origin: string;
  readonly expiresAtMs: number | null;
  readonly removed: boolean;
  readonly recoverUntilMs: number | null;
  readonly purged: boolean;
  /** Null for none. */
  readonly graceWindows: readonly { readonly version: number; readonly until: string }[] | null;
  /** Null for none. */
  readonly canary: HeadCanary | null;
}

/** The pending version that a share of the uses gets in place of the current one. */
export interface HeadCanary {
  readonly version: number;
  /** The current version that it is tried beside. */
  readonly beside: number;
  /** The share of the uses, in percent. */
  readonly percent: number;
  readonly until: string;
}

interface StoredHead extends Omit<HeadState, "expiresAtMs" | "removed" | "recoverUntilMs" | "purged"> {
  readonly expiresAt: Date | null;
  readonly deletedAt: Date | null;
  readonly recoverUntil: Date | null;
  readonly purgedAt: Date | null;
}

/** @param row of `company_secrets` */
export function headStateOf(row: StoredHead): HeadState {
  const { companyId, secretKey, currentVersion, pendingVersion, lastVersion, origin, graceWindows, canary } =
    row;
  return {
    companyId,
    secretKey,
    currentVersion,
    pendingVersion,
    lastVersion,
    origin,
    graceWindows,
    canary,
    expiresAtMs: row.expiresAt?.getTime() ?? null,
    removed: row.deletedAt !== null,
    recoverUntilMs: row.recoverUntil?.getTime() ?? null,
    purged: row.purgedAt !== null,
  };
}

/** The MAC of a secret's head: docs/envelope.md. */
export function headMac(key: CompanyKey, head: HeadState): Buffer {
  const windows = head.graceWindows ?? [];
  return createHmac("sha256", key.headKey)
    .update(
      encodeFields([
        "tenant-secrets/head/1",
        String(key.keyVersion),
        head.companyId,
        head.secretKey,
        orNone(head.currentVersion),
        orNone(head.pendingVersion),
        String(head.lastVersion),
        head.origin,
        orNone(head.expiresAtMs),
        yesOrNo(head.removed),
        orNone(head.recoverUntilMs),
        yesOrNo(head.purged),
        String(windows.length),
        ...windows.flatMap(({ version, until }) => [String(version), until]),
        ...(head.canary === null ? [] : canaryFields(head.canary)),
      ]),
    )
    .digest();
}

function canaryFields({ version, beside, percent, until }: HeadCanary): readonly string[] {
  return ["canary", String(version), String(beside), String(percent), until];
}

/** Whether a holder of the company's key wrote the head as it is. */
export function isGenuineHead(
  key: CompanyKey,
  head: HeadState,
  { macKeyVersion, mac }: { readonly macKeyVersion: number; readonly mac: Buffer },
): boolean {
  if (macKeyVersion !== key.keyVersion || !hasForm(head.graceWindows) || !isCanary(head.canary)) return false;
  return sameBytes(headMac(key, head), mac);
}

/** Grace windows and canaries are JSON in the database, where another party can write any JSON. */
function hasForm(windows: unknown): boolean {
  if (windows === null) return true;
  return Array.isArray(windows) && windows.every((window: unknown) => isWindow(window));
}

function isWindow(window: unknown): boolean {
  if (typeof window !== "object" || window === null) return false;
  const { version, until }: { version?: unknown; until?: unknown } = window;
  return typeof version === "number" && typeof until === "string";
}

function isCanary(canary: unknown): boolean {
  if (canary === null) return true;
  if (typeof canary !== "object") return false;
  const { version, beside, percent, until }: { [Field in keyof HeadCanary]?: unknown } = canary;
  const isNumbered = [version, beside, percent].every((number) => typeof number === "number");
  return isNumbered && typeof until === "string";
}

function orNone(number: number | null): string {
  return number === null ? "" : String(number);
}

function yesOrNo(answer: boolean): string {
  return answer ? "yes" : "no";
}
