import { createHash, createHmac, randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { tables } from "@repo/db";
import { encodeFields } from "@repo/envelope";
import type { Finding, SecretStoreName } from "@repo/catalog";
import type { Comparison, Standing } from "./comparison.ts";
import { type CompanyOutcome, type CompanyWork, resultOf } from "./company-work.ts";
import { comparison, isEmptied } from "./copy.ts";
import { replaceLedger } from "./ledger.ts";
import { pause } from "../runs/pause.ts";

const { companyStores } = tables;

/** Before a difference is believed, in milliseconds: a write may be under way. */
const againMs = 2000;

/** What a verification must not find, by the company's store. */
const differences: Readonly<Record<SecretStoreName, ReadonlySet<Standing>>> = {
  infisical: new Set([
    "only-in-folder",
    "newer-in-folder",
    "removed-in-folder",
    "only-in-database",
    "newer-in-database",
    "removed-in-database",
    "blocked",
    "unopenable",
  ]),
  // What was written or removed in the database since is right there.
  hybrid: new Set(["only-in-folder", "newer-in-folder", "blocked", "unopenable"]),
  database: new Set(["unopenable"]),
};

/** Compares every value of a company, both ways. */
export async function verifyCompany(work: CompanyWork): Promise<CompanyOutcome> {
  const { company, step } = work;
  const first = await comparison(work);
  const isClean = (found: Comparison) => !hasDifference(found, company.secretStore);
  if (!isClean(first)) await pause(step, work.againMs ?? againMs);
  const found = isClean(first) ? first : await comparison(work);
  const result = resultOf(work, found, {
    ...digestsOf(found),
    findings: differencesOf(found, company.secretStore),
  });
  // Of a folder that only seems to be empty, the ledger is the one trace that it was not.
  if (!isEmptied(found))
    await step.commitIn(company.id, (statements) => replaceLedger(statements, company.id, found.secrets));
  if (!isClean(found)) return { state: "blocked", result };
  const verified = { verifiedAt: sql`now()`, verifiedEpoch: company.storeEpoch };
  await step.commit((statements) =>
    statements
      .insert(companyStores)
      .values({ companyId: company.id, ...verified })
      .onConflictDoUpdate({ target: companyStores.companyId, set: verified }),
  );
  return { state: "done", result };
}

/** By name; what is blocked or does not decrypt is among the findings of the comparison. */
function differencesOf({ secrets }: Comparison, store: SecretStoreName): readonly Finding[] {
  return secrets
    .filter(
      ({ standing }) =>
        standing !== "blocked" && standing !== "unopenable" && differences[store].has(standing),
    )
    .map(({ secretKey, standing }) => ({
      code: "DIFFERS",
      secretKey,
      detail: standing.replaceAll("-", " "),
    }));
}

function hasDifference({ secrets, findings }: Comparison, store: SecretStoreName): boolean {
  return secrets.some(({ standing }) => differences[store].has(standing)) || isEmptied({ findings });
}

/**
 * SHA-256 over the lines of each side: secret key, version, and HMAC-SHA-256 of the value under a random key that ends with this
 * call. The digests of two runs are not comparable, so that a report links no values.
 */
function digestsOf({ secrets }: Comparison): {
  readonly folderDigest: string;
  readonly databaseDigest: string;
} {
  const key = randomBytes(32);
  const folder = createHash("sha256");
  const database = createHash("sha256");
  const line = (secretKey: string, version: number, value: Uint8Array) =>
    encodeFields([secretKey, String(version), createHmac("sha256", key).update(value).digest("hex")]);
  for (const { secretKey, folder: inFolder, database: here } of secrets) {
    if (inFolder?.value !== undefined)
      folder.update(line(secretKey, inFolder.version, Buffer.from(inFolder.value, "utf8")));
    const plaintext = here?.open();
    if (here !== undefined && plaintext !== undefined) {
      database.update(line(secretKey, here.version, plaintext.bytes));
      plaintext.wipe();
    }
  }
  key.fill(0);
  return { folderDigest: folder.digest("hex"), databaseDigest: database.digest("hex") };
}
