import { createHmac, type KeyObject } from "node:crypto";
import { sameBytes } from "./bytes.ts";
import { encodeFields } from "./encoding.ts";

/** One version of the key for the MACs of rows. */
export interface RowKey {
  readonly keyVersion: number;
  readonly macKey: KeyObject;
}

interface CompanyState {
  readonly kind: "company";
  readonly id: string;
  readonly subdomain: string;
  readonly infisicalFolder: string;
  readonly secretStore: string;
  readonly storeEpoch: number;
  readonly status: string;
  readonly secondFactorRequired: boolean;
  readonly homeRegion: string;
  /** Raised by each move of the home. */
  readonly homeEpoch: number;
}

interface ApiKeyState {
  readonly kind: "api-key";
  readonly id: string;
  readonly companyId: string | null;
  readonly prefix: string;
  readonly hash: string;
  readonly verbs: readonly string[];
  readonly keyPatterns: readonly string[];
  readonly addresses: readonly string[] | null;
  /** Of a platform key. In any order. */
  readonly companyIds: readonly string[];
  readonly createdByKind: string;
  readonly createdById: string;
  readonly expiresAtMs: number;
  readonly revoked: boolean;
}

interface OperatorState {
  readonly kind: "operator";
  readonly id: string;
  readonly tokenPrefix: string | null;
  readonly tokenHash: string | null;
  readonly userId: string | null;
  readonly expiresAtMs: number;
  readonly revoked: boolean;
}

interface UserState {
  readonly kind: "user";
  readonly id: string;
  readonly email: string;
  readonly disabled: boolean;
}

interface MembershipState {
  readonly kind: "membership";
  readonly companyId: string;
  readonly userId: string;
  readonly role: string;
}

interface InvitationState {
  readonly kind: "invitation";
  readonly id: string;
  readonly companyId: string;
  readonly email: string;
  readonly role: string;
  readonly tokenHash: string;
  readonly invitedByKind: string;
  readonly invitedById: string;
  readonly expiresAtMs: number;
  /** Accepted or revoked: it gives no access any more. */
  readonly closed: boolean;
}

interface ApprovalState {
  readonly kind: "approval";
  readonly id: string;
  readonly action: string;
  readonly parameters: string;
  readonly requestedBy: string;
  readonly expiresAtMs: number;
  readonly givenBy: string | null;
  readonly refusedBy: string | null;
  readonly used: boolean;
}

interface RegionState {
  readonly kind: "region";
  readonly region: string;
  readonly address: string;
  readonly transportKeyVersion: number;
  /** In base64url, as is `signingKey`. */
  readonly transportKey: string;
  readonly signingKeyVersion: number;
  readonly signingKey: string;
  /** Taken out: nothing is copied there, and nothing from there is read. */
  readonly removed: boolean;
}

interface CompanyRegionState {
  readonly kind: "company-region";
  readonly companyId: string;
  readonly region: string;
}

/** The authenticated state of a row that decides who may read. Times are milliseconds of Unix time. */
export type RowState =
  | CompanyState
  | ApiKeyState
  | OperatorState
  | UserState
  | MembershipState
  | InvitationState
  | ApprovalState
  | RegionState
  | CompanyRegionState;

/**
 * The MAC of a row that decides who may read: docs/envelope.md.
 *
 * @param revision of that state
 */
export function rowMac(key: RowKey, row: RowState, revision: number): Buffer {
  const head = ["tenant-secrets/row/1", String(key.keyVersion), String(revision), row.kind];
  return createHmac("sha256", key.macKey)
    .update(encodeFields([...head, ...fieldsOf(row)]))
    .digest();
}

/** Whether a holder of the key wrote the row as it is. */
export function isGenuineRow(
  key: RowKey,
  row: RowState,
  { revision, mac }: { readonly revision: number; readonly mac: Buffer },
): boolean {
  return sameBytes(rowMac(key, row, revision), mac);
}

/** Names a row in events and findings, such as `membership <company> <user>`. */
export function rowName(row: RowState): string {
  switch (row.kind) {
    case "membership":
      return `${row.kind} ${row.companyId} ${row.userId}`;
    case "region":
      return `${row.kind} ${row.region}`;
    case "company-region":
      return `${row.kind} ${row.companyId} ${row.region}`;
    default:
      return `${row.kind} ${row.id}`;
  }
}

/** None where the company is at home where it always was, in a deployment without regions. */
function homeFields({ homeRegion, homeEpoch }: CompanyState): readonly string[] {
  return homeRegion === "default" && homeEpoch === 1 ? [] : ["home", homeRegion, String(homeEpoch)];
}

function fieldsOf(row: RowState): readonly string[] {
  switch (row.kind) {
    case "company":
      return [
        row.id,
        row.subdomain,
        row.infisicalFolder,
        row.secretStore,
        String(row.storeEpoch),
        row.status,
        yesOrNo(row.secondFactorRequired),
        ...homeFields(row),
      ];
    case "api-key":
      return [
        row.id,
        orNone(row.companyId),
        row.prefix,
        row.hash,
        ...listed(row.verbs),
        ...listed(row.keyPatterns),
        ...(row.addresses === null ? [orNone(null)] : listed(row.addresses)),
        ...listed(row.companyIds.toSorted()),
        row.createdByKind,
        row.createdById,
        String(row.expiresAtMs),
        yesOrNo(row.revoked),
      ];
    case "operator":
      return [
        row.id,
        orNone(row.tokenPrefix),
        orNone(row.tokenHash),
        orNone(row.userId),
        String(row.expiresAtMs),
        yesOrNo(row.revoked),
      ];
    case "user":
      return [row.id, row.email, yesOrNo(row.disabled)];
    case "membership":
      return [row.companyId, row.userId, row.role];
    case "invitation":
      return [
        row.id,
        row.companyId,
        row.email,
        row.role,
        row.tokenHash,
        row.invitedByKind,
        row.invitedById,
        String(row.expiresAtMs),
        yesOrNo(row.closed),
      ];
    case "approval":
      return [
        row.id,
        row.action,
        row.parameters,
        row.requestedBy,
        String(row.expiresAtMs),
        orNone(row.givenBy),
        orNone(row.refusedBy),
        yesOrNo(row.used),
      ];
    case "region":
      return [
        row.region,
        row.address,
        String(row.transportKeyVersion),
        row.transportKey,
        String(row.signingKeyVersion),
        row.signingKey,
        yesOrNo(row.removed),
      ];
    case "company-region":
      return [row.companyId, row.region];
  }
}

/** The length of a list and its items, so that two lists in a row cannot be read as two other lists. */
function listed(texts: readonly string[]): readonly string[] {
  return [String(texts.length), ...texts];
}

function orNone(text: string | null): string {
  return text ?? "";
}

function yesOrNo(answer: boolean): string {
  return answer ? "yes" : "no";
}
