import { randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { NewRegion } from "@repo/catalog";
import {
  type CopyState,
  decryptFromRegion,
  decryptValue,
  deriveCompanyKey,
  ed25519KeyOf,
  ed25519PublicBytes,
  isSignedCopy,
  signCopy,
  regionFingerprint,
  toBase64url,
  x25519KeyOf,
  x25519PublicBytes,
} from "@repo/envelope";
import type postgres from "postgres";
import { z } from "zod";
import { parseCompanyCopy } from "../regions/company-copy.ts";

type Given = Partial<Pick<NewRegion, "address" | "transportKeyVersion" | "signingKeyVersion">>;

/** Another region with pairs of its own: what its operator tells of it, and the key that opens what is encrypted to it. */
export interface OtherRegion {
  readonly asked: NewRegion;
  readonly privateKey: KeyObject;
  /** What it signs its copies with. */
  readonly signing: KeyObject;
}

export function otherRegion(region: string, given: Given = {}): OtherRegion {
  const [privateKey, signing] = [x25519KeyOf(randomBytes(32)), ed25519KeyOf(randomBytes(32))];
  const keys = {
    region,
    transportKeyVersion: given.transportKeyVersion ?? 1,
    transportKey: x25519PublicBytes(privateKey),
    signingKeyVersion: given.signingKeyVersion ?? 1,
    signingKey: ed25519PublicBytes(signing),
  };
  const asked = {
    ...keys,
    address: given.address ?? `https://${region}.example.com`,
    transportKey: toBase64url(keys.transportKey),
    signingKey: toBase64url(keys.signingKey),
    fingerprint: regionFingerprint(keys),
  };
  return { asked, privateKey, signing };
}

/** As `otherRegion`, where nothing is opened. */
export function newRegion(region: string, given: Given = {}): NewRegion {
  return otherRegion(region, given).asked;
}

const Secret = z.object({
  encrypted: z.string().nullable(),
  companyKeyVersion: z.int().nullable(),
  currentVersion: z.int().nullable(),
});

/** What a region can read of a company. */
export interface ReadCopies {
  /** Undefined where it is told of no company. */
  readonly subdomain: string | undefined;
  readonly keys: readonly number[];
  readonly values: Readonly<Record<string, string>>;
}

/**
 * Opens all copies of a company as a region does: with its own private key and the home's public one, and with nothing else.
 *
 * @param sql at the home, or in the region
 * @throws where a signature or a cipher is not right, or the key of a value is not there
 */
export async function readCopies(
  sql: postgres.ISql,
  { asked, privateKey }: OtherRegion,
  { companyId, homeKey }: { readonly companyId: string; readonly homeKey: Buffer },
): Promise<ReadCopies> {
  const rows = await sql<(CopyState & { readonly signature: Buffer | null })[]>`
    select target_region as "targetRegion", company_id as "companyId", kind, name, home_region as "homeRegion",
      home_epoch as "homeEpoch", revision::text, body, signature
    from region_copies where company_id = ${companyId} and target_region = ${asked.region} order by kind, name`;
  const keys = new Map<number, Buffer>();
  const values: Record<string, string> = {};
  let subdomain: string | undefined;
  for (const { signature, ...copy } of rows) {
    if (copy.kind !== "secret" && (signature === null || !isSignedCopy(homeKey, copy, signature)))
      throw new Error(`the copy ${copy.kind} ${copy.name} is not signed by its home`);
    if (copy.kind === "company") subdomain = parseCompanyCopy(copy.body)?.subdomain;
    if (copy.kind !== "key") continue;
    const { transportKeyVersion, region: to } = asked;
    const keyVersion = Number(copy.name);
    const place = { companyId, keyVersion, from: copy.homeRegion, to, transportKeyVersion };
    keys.set(keyVersion, decryptFromRegion(privateKey, place, copy.body));
  }
  for (const { kind, name: secretKey, body } of rows) {
    if (kind !== "secret") continue;
    const { encrypted, companyKeyVersion, currentVersion } = Secret.parse(JSON.parse(body));
    if (encrypted === null || companyKeyVersion === null || currentVersion === null) continue;
    const secret = keys.get(companyKeyVersion);
    if (secret === undefined) throw new Error(`key ${companyKeyVersion} of ${secretKey} has no copy`);
    const { valueKey } = deriveCompanyKey(Buffer.from(secret), companyId, companyKeyVersion);
    const place = { companyId, secretKey, version: currentVersion, companyKeyVersion };
    values[secretKey] = decryptValue(valueKey, place, encrypted).toString("utf8");
  }
  return { subdomain, keys: [...keys.keys()], values };
}

/** Another region says that it has taken a company over from this one, which it had nothing of. */
export async function claim(
  superuser: postgres.Sql,
  { subdomain, by }: { readonly subdomain: string; readonly by: OtherRegion },
): Promise<void> {
  const { region } = by.asked;
  const [company] = await superuser<{ id: string; homeRegion: string; homeEpoch: number }[]>`
    select id, home_region as "homeRegion", home_epoch as "homeEpoch" from companies where subdomain = ${subdomain}`;
  if (company === undefined) throw new Error(`there is no company ${subdomain}`);
  const copies = [
    {
      kind: "company",
      name: "",
      body: JSON.stringify({ format: 1, subdomain, secondFactorRequired: false, recoveryDays: 30 }),
    },
    { kind: "move", name: "taken", body: JSON.stringify({ format: 1, revisions: {} }) },
  ] as const;
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    const via = `copies_from_${region}_to_${company.homeRegion}`;
    await sql`select set_config('tenant_secrets.subscription', ${via}, true)`;
    for (const copy of copies) {
      const place = { targetRegion: company.homeRegion, companyId: company.id, homeRegion: region };
      const state = { ...place, ...copy, homeEpoch: company.homeEpoch + 1, revision: "1" };
      await sql`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body, signature)
        values (${state.targetRegion}, ${state.companyId}, ${state.kind}, ${state.name}, ${region}, ${state.homeEpoch}, 1, ${state.body}, ${signCopy(by.signing, state)})`;
    }
  });
}
