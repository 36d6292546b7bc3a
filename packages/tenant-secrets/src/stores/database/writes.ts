import { tables, type Statements } from "@repo/db";
import type { AuditAction } from "@repo/audit-log";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { type CompanyKey, fingerprint, requestMac, sealValue } from "@repo/envelope";
import { canonical } from "../../access/request-ids.ts";
import type { Company } from "../../companies/companies.ts";
import { withKeysOfNow } from "../../keys/company/company-keys.ts";
import { batchError, checkBatch, refusalOf, type Refusals } from "../batch.ts";
import type { Adoption, DatabaseStore } from "./port.ts";
import { refuseUnsettled } from "../infisical/outside-writes.ts";
import { nextGraceWindows } from "./grace-windows.ts";
import { sealedBytes, type GrowingParts } from "./quotas.ts";
import {
  changeHead,
  destroyed,
  expectVersion,
  inCompany,
  keepCurrentVersion,
  liveHead,
  lockOrMakeHeads,
  ofVersion,
  type Head,
} from "./secret-head.ts";
import type { BatchWrite, StagedWrite } from "../store.ts";
import { findApplied, keepApplied, Versions, type RequestBody } from "./idempotency.ts";

const { companySecretVersions } = tables;

type Maker = Pick<typeof companySecretVersions.$inferInsert, "actorKind" | "actorId">;

/** How a value becomes a version: as the current one, or as one that waits. */
interface Placing<W extends BatchWrite> {
  readonly action: AuditAction;
  /** @throws {TenantSecretsError} where it may not be made now */
  check(head: Head, write: W): void;
  /** @returns the number of the version that was made. Waits for nothing but its statements. */
  add(statements: Statements, head: Head, key: CompanyKey, write: W, maker: Maker): Promise<number>;
}

const asCurrent: Placing<BatchWrite> = {
  action: "secret.write",
  check: (head, { options }) => {
    expectVersion(head, options.expectedVersion);
    nextGraceWindows(head, options);
  },
  add: (statements, head, key, write, maker) =>
    addCurrentVersion(statements, head, key, write, maker, "written"),
};

const asPending: Placing<StagedWrite> = {
  action: "secret.stage",
  check: (head, { options }) => {
    expectVersion(liveHead(head), options.expectedVersion);
    if (head.pendingVersion === null || options.replace === true) return;
    throw new TenantSecretsError(
      "CONFLICT",
      `Version ${head.pendingVersion} is pending already: promote it, discard it, or say that it is to be replaced.`,
      { currentVersion: head.currentVersion ?? 0 },
    );
  },
  add: async (statements, head, key, write, maker) => {
    if (head.pendingVersion !== null) {
      await statements
        .update(companySecretVersions)
        .set(destroyed)
        .where(ofVersion(head, head.pendingVersion));
    }
    const [current] = await statements
      .select({ id: companySecretVersions.id })
      .from(companySecretVersions)
      .where(ofVersion(head, liveHead(head).currentVersion));
    const { version, sealed } = seal(head, key, write);
    await statements.insert(companySecretVersions).values({
      ...describe(head, key, write, maker),
      version,
      sealed,
      companyKeyNo: key.no,
      previousVersionId: current?.id ?? null,
    });
    await changeHead(statements, head, { pendingVersion: version, lastVersion: version });
    return version;
  },
};

export function createWrites(
  parts: GrowingParts,
): Pick<DatabaseStore, "write" | "writeMany" | "stage" | "adopt"> {
  const { companyKeys, audit, quotas } = parts;

  /** Makes versions in one transaction, all or none. @returns their numbers, in the order of `writes` */
  const put = <W extends BatchWrite>(
    company: Company,
    writes: readonly W[],
    placing: Placing<W>,
    refused: (refusals: Refusals) => TenantSecretsError,
    { requestId }: { readonly requestId?: string | undefined },
    caller: Caller,
  ): Promise<readonly number[]> =>
    withKeysOfNow(async () => {
      const { kind: actorKind, id: actorId } = caller.actor;
      const keys =
        requestId === undefined ? await companyKeys.usable(company.id) : await companyKeys.living(company.id);
      const request =
        requestId === undefined
          ? undefined
          : {
              name: { companyId: company.id, actorKind, actorId, requestId },
              body: bodyOf(keys, placing.action, writes),
            };
      const room = await quotas.roomOf(company);
      return inCompany(
        parts,
        company,
        async (statements) => {
          const heads = await lockOrMakeHeads(
            statements,
            company.id,
            writes.map(({ secretKey }) => secretKey),
          );
          const addEvents = (versions: readonly number[], reason?: "REPLAYED"): Promise<void> => {
            const entry = {
              action: placing.action,
              outcome: "allowed",
              companyId: company.id,
              reason,
            } as const;
            const events = writes.map(({ secretKey }, i) => ({
              ...entry,
              secretKey,
              version: versions[i] ?? 0,
            }));
            return audit.addAllTo(statements, caller, events);
          };
          const answered = request && (await findApplied(statements, request.name, request.body));
          if (answered !== undefined) {
            const applied = Versions.parse(answered);
            await addEvents(applied, "REPLAYED");
            return applied;
          }
          const targets = writes.map((write) => ({ write, head: headOf(heads, write) }));
          const [first, ...others] = targets.flatMap(({ write, head }) =>
            refusalOf(write.secretKey, () => placing.check(head, write)),
          );
          if (first !== undefined) throw refused([first, ...others]);
          room.take(statements, {
            secrets: writes.filter(({ secretKey }) => heads.get(secretKey)?.made === true).length,
            versions: writes.length,
            bytes: writes.reduce((sum, { plaintext }) => sum + sealedBytes(plaintext.bytes.length), 0),
          });
          const versions: number[] = [];
          for (const { write, head } of targets) {
            versions.push(await placing.add(statements, head, keys[0], write, { actorKind, actorId }));
          }
          if (request !== undefined) await keepApplied(statements, request.name, request.body, versions);
          await addEvents(versions);
          return versions;
        },
        { keys },
      );
    });

  const putOne = async <W extends BatchWrite>(
    company: Company,
    write: W,
    placing: Placing<W>,
    options: { readonly requestId?: string | undefined },
    caller: Caller,
  ): Promise<{ readonly version: number }> => {
    const [version] = await put(company, [write], placing, ([refusal]) => refusal.error, options, caller);
    return { version: version ?? 0 };
  };

  return {
    write: (company, write, caller) => putOne(company, write, asCurrent, write.options, caller),
    stage: (company, write, caller) => putOne(company, write, asPending, write.options, caller),

    writeMany: async (company, batch, options, caller) => {
      const writes = batch.toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
      checkBatch(writes.map(({ secretKey }) => secretKey));
      const versions = await put(company, writes, asCurrent, batchError, options, caller);
      return writes.map(({ secretKey }, i) => ({ secretKey, version: versions[i] ?? 0 }));
    },

    adopt: (company, { origin, over, waits, ...adoption }, caller) =>
      withKeysOfNow(async () => {
        const key = await companyKeys.forSealing(company.id);
        const { secretKey } = adoption;
        const maker = { actorKind: caller.actor.kind, actorId: caller.actor.id };
        return inCompany(
          parts,
          company,
          async (statements) => {
            await refuseUnsettled(statements, company, secretKey);
            const locked = (await lockOrMakeHeads(statements, company.id, [secretKey])).get(secretKey);
            if (locked === undefined || !(locked.made || isUntouched(locked.head, origin, over)))
              return undefined;
            const write = { ...adoption, options: {} };
            const version = await addCurrentVersion(statements, locked.head, key, write, maker, origin);
            const action = origin === "legacy" ? "secret.import" : "secret.adopt";
            const entry = { action, outcome: "allowed", companyId: company.id } as const;
            await audit.addTo(statements, caller, { ...entry, secretKey, version });
            return { version };
          },
          { waits },
        );
      }),
  };
}

/** Whether a version is still the current one, and came from where it says. */
function isUntouched(head: Head, origin: Adoption["origin"], version: number | undefined): boolean {
  return head.deletedAt === null && head.origin === origin && head.currentVersion === version;
}

function headOf(heads: Awaited<ReturnType<typeof lockOrMakeHeads>>, { secretKey }: BatchWrite): Head {
  const locked = heads.get(secretKey);
  if (locked === undefined) throw new Error("the head of a secret is permanent");
  return locked.head;
}

/** Seals the value as the next version, and makes that the current one. Waits for nothing but its statements. */
export async function addCurrentVersion(
  statements: Statements,
  head: Head,
  key: CompanyKey,
  write: BatchWrite,
  maker: Maker,
  origin: Head["origin"],
): Promise<number> {
  const graceWindows = nextGraceWindows(head, write.options);
  const { version, sealed } = seal(head, key, write);
  if (head.deletedAt !== null && head.pendingVersion !== null) {
    await statements
      .update(companySecretVersions)
      .set({ replacedAt: head.now })
      .where(ofVersion(head, head.pendingVersion));
  }
  await statements.insert(companySecretVersions).values({
    ...describe(head, key, write, maker),
    version,
    previousVersionId: await keepCurrentVersion(statements, head),
  });
  await changeHead(statements, head, {
    graceWindows,
    // A removed secret starts over.
    ...(head.deletedAt === null ? {} : { pendingVersion: null }),
    expiresAt: write.options.expiresAt ?? null,
    secretValueEncrypted: sealed,
    companyKeyNo: key.no,
    currentVersion: version,
    lastVersion: version,
    origin,
    deletedAt: null,
    recoverUntil: null,
    purgedAt: null,
  });
  return version;
}

function seal(
  { companyId, secretKey, lastVersion }: Head,
  key: CompanyKey,
  { plaintext }: BatchWrite,
): { readonly version: number; readonly sealed: string } {
  const version = lastVersion + 1;
  const place = { companyId, secretKey, version, companyKeyNo: key.no };
  return { version, sealed: sealValue(key.valueKey, place, plaintext.bytes) };
}

function describe(
  { companyId, secretKey }: Head,
  key: CompanyKey,
  { plaintext, hint, options }: BatchWrite,
  maker: Maker,
) {
  return {
    companyId,
    secretKey,
    fingerprint: fingerprint(key, plaintext.bytes),
    hint: hint ?? null,
    note: options.note ?? null,
    expiresAt: options.expiresAt ?? null,
    ...(options.reminderDays && { reminderDays: [...options.reminderDays] }),
    ...maker,
  };
}

function bodyOf(
  keys: readonly [CompanyKey, ...CompanyKey[]],
  action: AuditAction,
  writes: readonly BatchWrite[],
): RequestBody {
  const macOf = (key: CompanyKey) => ({
    no: key.no,
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
