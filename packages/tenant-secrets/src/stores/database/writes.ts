import type { Statements } from "@repo/db";
import type { AuditAction } from "@repo/audit-log";
import { type CompanyId, type RequestOptions, type StageOptions, TenantSecretsError } from "@repo/catalog";
import { type CompanyKey, fingerprint, requestMac } from "@repo/envelope";
import { actorColumns, canonical, digestOf } from "../../access/request-ids.ts";
import type { CompanyScope } from "../../companies/companies.ts";
import { withCurrentKeys } from "../../keys/company/company-keys.ts";
import { batchError, checkBatch, refusalOf, type Refusals } from "../batch.ts";
import {
  addCurrentVersions,
  addFirstVersions,
  addPendingVersion,
  type NewVersion,
  type Target,
} from "./new-version.ts";
import type { StorePart } from "./port.ts";
import { inCompany } from "./transaction.ts";
import { nextGraceWindows } from "./grace-windows.ts";
import { encryptedBytes, type GrowingParts, type Usage } from "./quotas.ts";
import { expectVersion, activeHead, lockHeads, type Head } from "./secret-head.ts";
import type { BatchWrite, StagedWrite, Write } from "../store.ts";
import { findApplied, insertApplied, requestNameOf, Versions, type WriteRequest } from "./idempotency.ts";

/** A write of either kind: only one that is to be pending can replace the pending version. */
type PlacedWrite = BatchWrite & { readonly options: Pick<StageOptions, "replace"> } & Pick<
    Write,
    "isGenerated"
  >;

/** How a value becomes a version: as the current one, or as the pending one. */
interface Placing {
  readonly action: AuditAction;
  /**
   * @param head undefined for a secret that was never here
   * @throws {TenantSecretsError} where it may not be made now
   */
  check(head: Head | undefined, write: PlacedWrite): void;
  /** Makes the versions of secrets that were never here. @returns the secret keys of those */
  addFirst(
    statements: Statements,
    companyId: CompanyId,
    made: readonly NewVersion[],
  ): Promise<ReadonlySet<string>>;
  /** @returns the numbers of the versions that were made. Waits for nothing but its statements. */
  add(statements: Statements, targets: readonly Target[]): Promise<readonly number[]>;
}

const asCurrent: Placing = {
  action: "secret.write",
  check: (head, { options }) => {
    expectVersion(head, options.expectedVersion);
    nextGraceWindows(head, options);
  },
  addFirst: addFirstVersions,
  add: addCurrentVersions,
};

const asPending: Placing = {
  action: "secret.stage",
  check: (found, { options }) => {
    const head = activeHead(found);
    expectVersion(head, options.expectedVersion);
    if (head.pendingVersion === null || options.replace === true) return;
    throw new TenantSecretsError(
      "CONFLICT",
      `Version ${head.pendingVersion} is pending already: promote it, discard it, or say that it is to be replaced.`,
      { currentVersion: head.currentVersion },
    );
  },
  addFirst: () => Promise.resolve(new Set()),
  add: async (statements, targets) => {
    const versions: number[] = [];
    for (const target of targets) versions.push(await addPendingVersion(statements, target));
    return versions;
  },
};

/** Values to write in one transaction, all or none. */
interface Putting extends RequestOptions {
  readonly writes: readonly PlacedWrite[];
  readonly placing: Placing;
  readonly refused: (refusals: Refusals) => TenantSecretsError;
}

export function createWrites(parts: GrowingParts): StorePart<"write" | "batches", "stage"> {
  const { companyKeys, audit, quotas } = parts;

  /** @returns the numbers of the versions, in the order of the writes */
  const put = (
    scope: CompanyScope,
    { writes, placing, refused, requestId }: Putting,
  ): Promise<readonly number[]> =>
    withCurrentKeys(async () => {
      const { company, caller } = scope;
      const { action } = placing;
      const name = requestNameOf(scope, requestId);
      const keys = await companyKeys[name === undefined ? "usable" : "living"](company.id);
      const request = name && { name, ...bodyOf(keys, action, writes) };
      const room = await quotas.roomOf(company);
      const making = { key: keys[0], maker: actorColumns(caller) };
      const made = writes.map((write) => ({ ...making, write }));
      const secretKeys = writes.map(({ secretKey }) => secretKey);
      return inCompany(parts, { company, keys }, async (statements) => {
        const first = await placing.addFirst(statements, company.id, made.filter(mayBeFirst));
        const others = secretKeys.filter((secretKey) => !first.has(secretKey));
        const locked = others.length === 0 ? [] : await lockHeads(statements, company.id, others);
        const heads = new Map(locked.map((head) => [head.secretKey, head]));
        const answered = request && (await findApplied(statements, request));
        const applied = answered === undefined ? undefined : Versions.parse(answered);
        const make = async (): Promise<readonly number[]> => {
          const refusals = writes.flatMap((write) =>
            refusalOf(write.secretKey, () => placing.check(heads.get(write.secretKey), write)),
          );
          const [refusal, ...more] = refusals;
          if (refusal !== undefined) throw refused([refusal, ...more]);
          room.take(statements, usageOf(writes, first));
          const versions = await addTo(statements, { placing, heads, made });
          if (request !== undefined) await insertApplied(statements, request, versions);
          return versions;
        };
        const versions = applied ?? (await make());
        const reason = applied === undefined ? undefined : ("REPLAYED" as const);
        const entry = { action, outcome: "success", companyId: company.id, reason } as const;
        await audit.recordInTransaction(
          statements,
          caller,
          secretKeys.map((secretKey, i) => ({ ...entry, secretKey, version: versions[i] ?? 0 })),
        );
        return versions;
      });
    });

  const putOne = async (
    scope: CompanyScope,
    write: Write | StagedWrite,
    placing: Placing,
  ): Promise<{ readonly version: number }> => {
    const { requestId } = write.options;
    const refused = ([refusal]: Refusals) => refusal.error;
    const [version] = await put(scope, { writes: [write], placing, refused, requestId });
    return { version: version ?? 0 };
  };

  return {
    write: (scope, write) => putOne(scope, write, asCurrent),
    versions: { stage: (scope, write) => putOne(scope, write, asPending) },

    batches: {
      writeMany: async (scope, { writes: unsorted, requestId }) => {
        const writes = unsorted.toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
        checkBatch(writes.map(({ secretKey }) => secretKey));
        const versions = await put(scope, { writes, placing: asCurrent, refused: batchError, requestId });
        return writes.map(({ secretKey }, i) => ({ secretKey, version: versions[i] ?? 0 }));
      },
    },
  };
}

/** Where a version is expected, no value is encrypted and sent as a first one in vain. */
function mayBeFirst({ write }: NewVersion): boolean {
  return (write.options.expectedVersion ?? 0) === 0;
}

interface Adding {
  readonly placing: Placing;
  /** Of the secrets that were here before. */
  readonly heads: ReadonlyMap<string, Head>;
  readonly made: readonly NewVersion[];
}

/** Makes the versions of secrets that were here before. @returns the versions of all, in their order */
async function addTo(statements: Statements, { placing, heads, made }: Adding): Promise<readonly number[]> {
  const targets = made.flatMap((each) => {
    const head = heads.get(each.write.secretKey);
    return head === undefined ? [] : [{ head, made: each }];
  });
  const added = targets.length === 0 ? [] : await placing.add(statements, targets);
  const versionOf = new Map(targets.map(({ head }, i) => [head.secretKey, added[i]]));
  return made.map(({ write }) => versionOf.get(write.secretKey) ?? 1);
}

function usageOf(writes: readonly PlacedWrite[], first: ReadonlySet<string>): Usage {
  return {
    secrets: first.size,
    versions: writes.length,
    bytes: writes.reduce((sum, { plaintext }) => sum + encryptedBytes(plaintext.bytes.length), 0),
  };
}

function bodyOf(
  keys: readonly [CompanyKey, ...CompanyKey[]],
  action: AuditAction,
  writes: readonly PlacedWrite[],
): Omit<WriteRequest, "name"> {
  if (writes.some(({ isGenerated }) => isGenerated)) return bodyWithoutValues(writes);
  const macOf = (key: CompanyKey) => ({
    keyVersion: key.keyVersion,
    mac: requestMac(key, [
      action,
      ...writes.flatMap(({ secretKey, plaintext, options }) => [
        secretKey,
        canonical({ ...options, requestId: undefined }),
        plaintext.bytes,
      ]),
    ]),
  });
  const [key, ...older] = keys;
  return {
    macs: [macOf(key), ...older.map(macOf)],
    writes: writes.map(({ secretKey, plaintext, options: { note } }) => ({
      secretKey,
      note,
      fingerprints: keys.map((each) => fingerprint(each, plaintext.bytes)),
    })),
  };
}

function bodyWithoutValues(writes: readonly PlacedWrite[]): Omit<WriteRequest, "name"> {
  const asked = writes.map(({ secretKey, options }) => [
    secretKey,
    canonical({ ...options, requestId: undefined }),
  ]);
  return { macs: [{ keyVersion: 0, mac: digestOf("generate", ...asked) }], writes: [] };
}
