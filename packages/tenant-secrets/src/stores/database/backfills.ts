import { type CompanyId, maxValueBytes, SecretKey } from "@repo/catalog";
import { actorColumns } from "../../access/request-ids.ts";
import { withCurrentKeys } from "../../keys/company/company-keys.ts";
import { findUnsettled, notSettled } from "../infisical/outside-writes.ts";
import {
  changeHeads,
  insertFirst,
  insertVersions,
  keepCurrentVersions,
  type VersionRow,
} from "./many-heads.ts";
import { asCurrent, describe, seal, type NewVersion } from "./new-version.ts";
import type { Backfill, DatabaseStore } from "./port.ts";
import { encryptedBytes, type GrowingParts, type Usage } from "./quotas.ts";
import { canReturn, lockHeads, type Head } from "./secret-head.ts";
import { inCompany, type SecretStatements } from "./transaction.ts";

/** Of one call: its transaction is short, and its largest parameter below 6 MiB. */
const mostSecrets = 200;
const mostBytes = 4 * 1024 * 1024;

/** A value, and its text as the first version of its secret, which most copies are. It is encrypted before the transaction. */
interface Copy extends NewVersion {
  readonly companyId: CompanyId;
  readonly secretKey: string;
  readonly origin: Head["origin"];
  readonly over: number | undefined;
  readonly secretValueEncrypted: string;
}

/** A copy that became a version. */
interface Copied {
  readonly copy: Copy;
  readonly version: number;
  /** The head before; undefined where the secret was never here. */
  readonly head?: Head;
  readonly previousVersionId?: string | undefined;
}

export function createBackfills(parts: GrowingParts): Pick<DatabaseStore, "backfill" | "backfillMany"> {
  const { companyKeys, audit, quotas } = parts;

  const backfillMany: DatabaseStore["backfillMany"] = async (
    { company, caller },
    { origin, secrets, ...entry },
  ) => {
    checkBackfills(secrets);
    if (secrets.length === 0) return [];
    const secretKeys = secrets.map(({ secretKey }) => secretKey);
    const action = origin === "legacy" ? "secret.import" : "secret.backfill";
    const event = { action, outcome: "success", companyId: company.id } as const;
    return withCurrentKeys(async () => {
      const keys = await companyKeys.usable(company.id);
      const made = { key: keys[0], maker: actorColumns(caller), origin };
      const copies = secrets.map((backfill) => copyOf(company.id, backfill, made));
      return inCompany(parts, { ...entry, company, keys }, async (statements) => {
        const [unsettled, room] = await Promise.all([
          findUnsettled(statements, company, secretKeys),
          quotas.roomOf(company, statements),
        ]);
        const settled = copies.filter(({ secretKey }) => !unsettled.has(secretKey));
        const copied = await putCopies(statements, company.id, settled);
        room.take(statements, usageOf(copied));
        await audit.recordInTransaction(
          statements,
          caller,
          copied.map(({ copy: { secretKey }, version }) => ({ ...event, secretKey, version })),
        );
        const versions = new Map(copied.map(({ copy, version }) => [copy.secretKey, version]));
        return secretKeys.map((secretKey) => ({
          secretKey,
          version: versions.get(secretKey),
          ...(unsettled.has(secretKey) && { unsettled: true }),
        }));
      });
    });
  };

  return {
    backfillMany,
    backfill: async (scope, { origin, waits, ...backfill }) => {
      const [result] = await backfillMany(scope, { origin, waits, secrets: [backfill] });
      if (result?.unsettled === true) throw notSettled(backfill.secretKey);
      return result?.version === undefined ? undefined : { version: result.version };
    },
  };
}

/** @throws {TypeError} */
function checkBackfills(secrets: readonly Backfill[]): void {
  const rule =
    secrets.length > mostSecrets
      ? `at most ${mostSecrets} secrets`
      : new Set(secrets.map(({ secretKey }) => secretKey)).size < secrets.length
        ? "each secret once"
        : !secrets.every(isStorable)
          ? `secret keys, and values of 1 to ${maxValueBytes} bytes`
          : bytesOf(secrets) > mostBytes
            ? `values of at most ${mostBytes} bytes together`
            : undefined;
  if (rule !== undefined) throw new TypeError(`A backfill takes ${rule}.`);
}

function isStorable({ secretKey, plaintext: { bytes } }: Backfill): boolean {
  return SecretKey.safeParse(secretKey).success && bytes.length > 0 && bytes.length <= maxValueBytes;
}

function bytesOf(secrets: readonly Backfill[]): number {
  return secrets.reduce((sum, { plaintext }) => sum + plaintext.bytes.length, 0);
}

type Making = Omit<NewVersion, "write"> & Pick<Copy, "origin">;

function copyOf(
  companyId: CompanyId,
  { secretKey, plaintext, lastFour, over }: Backfill,
  making: Making,
): Copy {
  const made = { ...making, write: { secretKey, plaintext, lastFour, options: {} } };
  const secretValueEncrypted = seal({ companyId, secretKey }, 1, made);
  return { ...made, companyId, secretKey, over, secretValueEncrypted };
}

/** Makes versions of those copies that the database knows nothing else of. Waits for nothing but its statements. */
async function putCopies(
  statements: SecretStatements,
  companyId: CompanyId,
  copies: readonly Copy[],
): Promise<readonly Copied[]> {
  const inserted = await insertFirst(statements, copies, (copy) => rowOf({ copy, version: 1 }));
  const first = copies.filter(({ secretKey }) => inserted.has(secretKey));
  const others = new Map(
    copies.filter(({ secretKey }) => !inserted.has(secretKey)).map((copy) => [copy.secretKey, copy]),
  );
  const replaced = await replaceCurrent(statements, companyId, others);
  await insertVersions(statements, replaced.map(rowOf));
  return [...first.map((copy) => ({ copy, version: 1 })), ...replaced];
}

async function replaceCurrent(
  statements: SecretStatements,
  companyId: CompanyId,
  copies: ReadonlyMap<string, Copy>,
): Promise<readonly Copied[]> {
  if (copies.size === 0) return [];
  const heads = await lockHeads(statements, companyId, [...copies.keys()]);
  const changed = heads.flatMap((head) => {
    const copy = copies.get(head.secretKey);
    if (copy === undefined || !isOutdated(head, copy)) return [];
    return [{ head, copy, changes: asCurrent(head, copy) }];
  });
  if (changed.length === 0) return [];
  const previous = await keepCurrentVersions(
    statements,
    changed.map(({ head }) => head),
  );
  await changeHeads(statements, changed);
  return changed.map(({ head, copy, changes }) => ({
    copy,
    version: changes.currentVersion,
    head,
    previousVersionId: previous.get(head.secretKey),
  }));
}

/** Whether the current version is still the one to replace, and came from the same place. */
function isOutdated(head: Head, { origin, over }: Copy): boolean {
  if (canReturn(head)) return origin === "infisical";
  return head.deletedAt === null && head.origin === origin && head.currentVersion === over;
}

function rowOf({ copy, version, previousVersionId }: Copied): VersionRow {
  return { ...describe(copy, version, copy), previousVersionId: previousVersionId ?? null };
}

function usageOf(copied: readonly Copied[]): Usage {
  return {
    // A purged secret does not count until it has a value again.
    secrets: copied.filter(({ head }) => head === undefined || head.purgedAt !== null).length,
    versions: copied.length,
    bytes: copied.reduce((sum, { copy }) => sum + encryptedBytes(copy.write.plaintext.bytes.length), 0),
  };
}
