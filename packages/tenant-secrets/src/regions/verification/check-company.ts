import { copiedHeadOf } from "@repo/db/regions";
import {
  type CompanyKey,
  decryptValue,
  isGenuineHead,
  isSignedCopy,
  sameBytes,
  undefinedIfCorrupt,
} from "@repo/envelope";
import type { Fault, FaultKind } from "./report.ts";
import type { CopyRow, RowsOfCompany } from "./rows-here.ts";

/** What copies are checked with. */
export interface Checking {
  readonly ownRegion: string;
  /** What copies that this region sends are signed with: 32 bytes. */
  readonly ownSigningKey: Buffer;
  /** The signing key of another region that is known here. */
  readonly signingKeyOf: (region: string) => Buffer | undefined;
  /** Whether the row that allows a region is genuine. */
  readonly isGenuine: (row: RowsOfCompany["permissions"][number]) => Promise<boolean>;
  /** A key of a company at home here. */
  readonly ownKey: (companyId: string, keyVersion: number) => Promise<CompanyKey | undefined>;
  /** What the copy of a key has, decrypted with this region's transport key. */
  readonly copiedKey: (copy: CopyRow) => Promise<CompanyKey | undefined>;
}

type Found = (kind: FaultKind, region?: string, copy?: CopyRow | string) => void;

/** @returns each fault once, and the regions in which the company may be by genuine rows */
export async function checkCompany(
  rows: RowsOfCompany,
  checking: Checking,
): Promise<{ readonly faults: readonly Fault[]; readonly allowed: readonly string[] }> {
  const faults = new Map<string, Fault>();
  const found: Found = (kind, region, copy) => {
    const name = copy === undefined || typeof copy === "string" ? copy : nameOf(copy);
    const fault: Fault = { kind, company: rows.id, region: region ?? null, copy: name ?? null };
    faults.set(JSON.stringify(fault), fault);
  };
  const allowed = await checkPermissions(rows, checking, found);
  await checkSent(rows, { checking, allowed, found });
  await checkReceived(rows, checking, found);
  checkTables(rows, checking, found);
  return { faults: [...faults.values()], allowed };
}

async function checkPermissions(
  { permissions }: RowsOfCompany,
  { isGenuine, signingKeyOf }: Checking,
  found: Found,
): Promise<readonly string[]> {
  const allowed: string[] = [];
  for (const row of permissions) {
    if (!(await isGenuine(row))) found("permission-not-genuine", row.region);
    else if (signingKeyOf(row.region) === undefined) found("region-unknown", row.region);
    else allowed.push(row.region);
  }
  return allowed.toSorted();
}

/** What a home sends to other regions. */
async function checkSent(
  rows: RowsOfCompany,
  { checking, allowed, found }: { checking: Checking; allowed: readonly string[]; found: Found },
): Promise<void> {
  const { ownRegion, ownSigningKey, ownKey } = checking;
  const isHome = rows.row?.homeRegion === ownRegion && rows.row.status !== "deleted";
  const sent = rows.copies.filter(
    ({ targetRegion, homeRegion }) => targetRegion !== ownRegion && homeRegion === ownRegion,
  );
  for (const copy of sent) {
    const { targetRegion: to } = copy;
    if (!isHome || !allowed.includes(to)) found("not-allowed", to, copy);
    else if (copy.homeEpoch !== rows.row.homeEpoch) found("epoch", to, copy);
    else if (copy.kind !== "secret") {
      if (!isSignedBy(ownSigningKey, copy)) found("signature", to, copy);
    } else {
      const secret = rows.secrets.find(({ secretKey }) => secretKey === copy.name);
      const head = copiedHeadOf(rows.id, copy.name, copy.body);
      if (
        secret === undefined ||
        head?.encrypted !== secret.secretValueEncrypted ||
        !sameBytes(head.mac, secret.mac)
      )
        found("outdated", to, copy);
      else if (!(await isOfKeyHolder(copy, (version) => ownKey(rows.id, version)))) found("mac", to, copy);
    }
  }
  if (!isHome) return;
  for (const to of allowed) {
    const present = new Set(sent.filter(({ targetRegion }) => targetRegion === to).map(nameOf));
    for (const name of expectedOf(rows)) if (!present.has(name)) found("missing", to, name);
  }
}

/** @returns the names of the copies that an allowed region has of a company at home here */
function expectedOf({ row, keys, secrets }: RowsOfCompany): readonly string[] {
  return [
    ...(row?.status === "active" ? ["company"] : []),
    ...keys.map((keyVersion) => `key ${keyVersion}`),
    ...secrets.map(({ secretKey }) => `secret ${secretKey}`),
  ];
}

/** What other regions have sent here. */
async function checkReceived(
  { copies, fence, refusals }: RowsOfCompany,
  { ownRegion, signingKeyOf, copiedKey }: Checking,
  found: Found,
): Promise<void> {
  for (const { subscription } of refusals) found("refused", undefined, subscription);
  const received = copies.filter(({ targetRegion }) => targetRegion === ownRegion);
  const keys = new Map<number, CompanyKey>();
  // Keys come before the secrets that are checked with them.
  for (const copy of received.toSorted((a, b) => a.kind.localeCompare(b.kind))) {
    const from = copy.homeRegion;
    const signingKey = signingKeyOf(from);
    if (signingKey === undefined) found("region-unknown", from);
    else if (fence?.homeRegion !== from || fence.homeEpoch !== copy.homeEpoch) found("epoch", from, copy);
    else if (copy.kind === "secret") {
      const key = (version: number) => Promise.resolve(keys.get(version));
      if (!(await isOfKeyHolder(copy, key))) found("mac", from, copy);
    } else if (!isSignedBy(signingKey, copy)) found("signature", from, copy);
    else if (copy.kind === "key") {
      const key = await copiedKey(copy);
      if (key === undefined) found("key", from, copy);
      else keys.set(key.keyVersion, key);
    }
  }
}

function checkTables({ row, copies, secrets }: RowsOfCompany, { ownRegion }: Checking, found: Found): void {
  for (const copy of copies)
    if (copy.targetRegion !== ownRegion && copy.homeRegion !== ownRegion)
      found("elsewhere", copy.targetRegion, copy);
  if (row === undefined || row.homeRegion === ownRegion || row.status === "deleted") return;
  if (secrets.length > 0) found("not-at-home", row.homeRegion);
  if (!copies.some(({ targetRegion }) => targetRegion === ownRegion)) found("left-behind", row.homeRegion);
}

function isSignedBy(signingKey: Buffer, { revision, signature, ...copy }: CopyRow): boolean {
  return signature !== null && isSignedCopy(signingKey, { ...copy, revision: String(revision) }, signature);
}

/** Whether a holder of the company's key wrote the head and the value of a secret's copy. */
async function isOfKeyHolder(
  { companyId, name, body }: CopyRow,
  keyOf: (keyVersion: number) => Promise<CompanyKey | undefined>,
): Promise<boolean> {
  const head = copiedHeadOf(companyId, name, body);
  if (head === undefined) return false;
  const { encrypted, companyKeyVersion, currentVersion: version } = head;
  if (encrypted === null || companyKeyVersion === null || version === null) return false;
  const [ofHead, ofValue] = [await keyOf(head.macKeyVersion), await keyOf(companyKeyVersion)];
  if (ofHead === undefined || ofValue === undefined || !isGenuineHead(ofHead, head, head)) return false;
  const place = { companyId, secretKey: name, version, companyKeyVersion };
  const value = undefinedIfCorrupt(() => decryptValue(ofValue.valueKey, place, encrypted));
  value?.fill(0);
  return value !== undefined;
}

function nameOf({ kind, name }: Pick<CopyRow, "kind" | "name">): string {
  return name === "" ? kind : `${kind} ${name}`;
}
