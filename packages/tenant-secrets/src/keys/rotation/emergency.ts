import { and, asc, desc, eq, inArray, isNull, sql, type SQL } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import type { Caller, Catalog, SecretDescription } from "@repo/catalog";
import type { SignedCopies } from "../../access/signed-copies.ts";
import type { RowKeys } from "../../access/authentic-rows.ts";
import { audited, type Operations, type Steps } from "../../access/operation.ts";
import type { ApprovalGate } from "../../companies/approval-gate.ts";
import { type Company, companyOfRow } from "../../companies/companies.ts";
import { rotateAuditKey, type AuditKeys } from "../audit-keys.ts";
import type { CompanyKeyRotation } from "../company/rotation.ts";
import { readRegistry, type MasterKeys } from "../master/master-keys.ts";
import { apiKeysUntil, batchSize, operatorsUntil, revocations } from "./credentials-of-before.ts";
import { exposedOf, type ExposedCredential, type Remainder, remainderOf } from "./emergency-findings.ts";
import type { RotationOptions } from "./phases.ts";
import { replaceRowKey } from "../row-key-change.ts";
import type { KeyRotation, RotationRun } from "./rotation.ts";

export interface EmergencyRotationResult {
  readonly startedAt: Date;
  readonly masterKeyVersion: number;
  /** Companies whose values are all under a key made since. */
  readonly companies: number;
  /** Credentials revoked by this call; undefined if not requested. */
  readonly revoked: { readonly apiKeys: number; readonly operators: number } | undefined;
  /** Every company's credentials, by company and secret key: to be replaced at their providers. */
  readonly credentials: readonly ExposedCredential[];
  readonly remainders: readonly Remainder[];
}

export interface EmergencyRotationOptions {
  /** For the rotation of the master key. */
  readonly rotation: RotationOptions;
  /**
   * Revokes every API key and operator's token made before the emergency rotation started, including the caller's, and every
   * API key that one of these operators creates meanwhile.
   */
  readonly revokeCredentials: boolean;
  /** Starts with another new master key, even if an earlier emergency rotation is unfinished. */
  readonly restart?: boolean;
  /** Called after each step; an error stops the rotation there. */
  readonly onStep?: (done: string) => void | Promise<void>;
}

/**
 * Rotates everything after a compromise: the master key, the keys of the audit log, of webhook endpoints, of the rows that decide who may read
 * and of every company. Re-encrypts all values, and lists the credentials to replace at their providers. Continues an interrupted
 * emergency rotation: keys made since its master key became active are not rotated again.
 *
 * @throws {TenantSecretsError} FORBIDDEN; APPROVAL_REQUIRED before it begins; and as a rotation of the master key; the database's errors
 */
export type EmergencyRotation = (
  caller: Caller,
  options: EmergencyRotationOptions,
) => Promise<EmergencyRotationResult>;

interface Dependencies {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly masterKeys: MasterKeys;
  readonly keyRotation: KeyRotation;
  readonly rotation: RotationRun;
  readonly companyKeyRotation: CompanyKeyRotation;
  readonly auditKeys: AuditKeys;
  readonly operations: Operations;
  readonly gate: ApprovalGate;
  readonly rowKeys: RowKeys;
  readonly signedCopies: Pick<SignedCopies, "invalidate">;
  /** Makes all copies for other regions once more, by a job. @param asked.subject of that work */
  readonly renewCopies: (
    statements: Statements,
    asked: { readonly caller: Caller; readonly subject: string },
  ) => Promise<void>;
  /** Lists the secrets in a company's store. */
  readonly list: (company: Company) => Promise<readonly Omit<SecretDescription, "inCatalog" | "label">[]>;
}

interface Start {
  readonly startedAt: Date;
  /** The version of the master key that may be exposed. */
  readonly version: number;
}

export function createEmergencyRotation(dependencies: Dependencies): EmergencyRotation {
  const { database, catalog, masterKeys, keyRotation, rotation, companyKeyRotation } = dependencies;
  const { auditKeys, operations, gate, rowKeys, list, signedCopies, renewCopies } = dependencies;

  const findBegun = async (): Promise<Start | undefined> => {
    const { auditEvents } = tables;
    const [event] = await database.acrossCompanies((statements) =>
      statements
        .select()
        .from(auditEvents)
        .where(
          and(
            isNull(auditEvents.companyId),
            eq(auditEvents.action, "key.emergency-rotate"),
            inArray(auditEvents.outcome, ["attempted", "success"]),
          ),
        )
        .orderBy(desc(auditEvents.position))
        .limit(1),
    );
    if (event?.outcome !== "attempted" || event.version === null) return undefined;
    return { startedAt: event.occurredAt, version: event.version };
  };

  /** The unfinished emergency rotation, or a new one. It is stored in the audit log, with the time by the database's clock. */
  const begin = async (
    steps: Steps,
    caller: Caller,
    { restart = false, revokeCredentials }: EmergencyRotationOptions,
  ): Promise<Start> => {
    const begun = restart ? undefined : await findBegun();
    if (begun !== undefined) return begun;
    const { active } = await masterKeys.refresh();
    // The pending master key of an unfinished rotation may be exposed as well.
    const unfinished = await rotation.findUnfinished(masterKeys.region);
    const version = unfinished?.facts.toVersion ?? active.version;
    await gate.commit(steps, {
      caller,
      action: "key.emergency-rotate",
      parameters: { region: masterKeys.region, exposedVersion: version, revokeCredentials, restart },
      // It continues by its own event.
      mayFinish: false,
      check: ({ statements }) => readClock(statements),
      act: async (_, occurredAt) => audited(undefined, { outcome: "attempted", version, occurredAt }),
    });
    const recorded = await findBegun();
    if (recorded === undefined) throw new Error("the audit log forgets nothing");
    return recorded;
  };

  const revoke = async (
    steps: Steps,
    kind: keyof typeof revocations,
    which: SQL | undefined,
  ): Promise<number> => {
    let total = 0;
    for (;;) {
      const revoked = await steps.commit(async (transaction) => {
        const events = await revocations[kind](transaction, which);
        return audited(events.length, events);
      });
      total += revoked;
      if (revoked < batchSize) return total;
    }
  };

  /**
   * Revokes operators' tokens first, because operators create API keys; an API key made by one of them is revoked whenever it
   * was made.
   *
   * @param spared the operator whose token is not revoked
   */
  const revokeAll = async (steps: Steps, madeUntil: Date, spared: string | undefined) => ({
    operators: await revoke(steps, "operators", operatorsUntil(madeUntil, spared)),
    apiKeys: await revoke(steps, "apiKeys", apiKeysUntil(madeUntil)),
  });

  /** @returns the version that is not exposed, and when it became active */
  const replaceMasterKey = async (caller: Caller, version: number, how: RotationOptions) => {
    while ((await masterKeys.refresh()).active.version <= version) await keyRotation.rotate(caller, how);
    const rows = await readRegistry(database);
    const active = rows.find((row) => row.region === masterKeys.region && row.status === "active");
    if (active?.activatedAt == null) throw new Error("a rotation leaves an active key");
    return { version: active.version, activatedAt: active.activatedAt };
  };

  const replaceAuditKeys = async ({ commit }: Steps, madeUntil: Date): Promise<void> => {
    for (const purpose of ["mac", "signing", "webhook"] as const) {
      await rotateAuditKey(masterKeys, purpose, { madeUntil, action: "key.rotate-audit", commit });
    }
    auditKeys.invalidate();
  };

  /**
   * The pairs of this region. What was encrypted to the earlier one opens until the other regions have the new identity.
   *
   * @returns the other regions that have to be told
   */
  const replaceRegionKeys = async (
    { commit }: Steps,
    caller: Caller,
    madeUntil: Date,
  ): Promise<readonly string[]> => {
    for (const purpose of ["transport", "copies"] as const)
      await rotateAuditKey(masterKeys, purpose, { madeUntil, action: "key.rotate-region", commit });
    signedCopies.invalidate();
    return commit(async ({ statements }) => {
      const { regions } = tables;
      const others = await statements
        .select({ region: regions.region })
        .from(regions)
        .where(isNull(regions.removedAt))
        .orderBy(asc(regions.region));
      const subject = `emergency ${madeUntil.toISOString()}`;
      if (others.length > 0) await renewCopies(statements, { caller, subject });
      return audited(
        others.map(({ region }) => region),
        [],
      );
    });
  };

  return (caller, options) => {
    const operation = {
      caller,
      action: "key.emergency-rotate",
      verb: "rotate",
      to: "answer a compromise",
    } as const;
    const { revokeCredentials } = options;
    const say = async (done: string): Promise<void> => options.onStep?.(done);
    return operations.inSteps(operation, async (steps) => {
      const { startedAt, version } = await begin(steps, caller, options);
      await say(
        `begun at ${startedAt.toISOString()}, with version ${version} of the master key assumed to be exposed`,
      );
      const first = revokeCredentials ? await revokeAll(steps, startedAt, caller.actor.id) : undefined;
      if (first !== undefined)
        await say(`${first.operators} operators' tokens besides yours and ${first.apiKeys} API keys revoked`);
      const masterKey = await replaceMasterKey(caller, version, options.rotation);
      await say(`version ${masterKey.version} of the master key is in use`);
      await replaceAuditKeys(steps, masterKey.activatedAt);
      await say("the audit log has a new key");
      const { reencrypted, notGenuine } = await replaceRowKey(
        { database, masterKeys, rowKeys },
        { madeUntil: masterKey.activatedAt, commit: steps.commit },
      );
      await say(
        `${reencrypted} rows that decide who may read have a MAC under a new key` +
          (notGenuine === 0 ? "" : `; ${notGenuine} were written by another party and are ignored`),
      );

      const told = await replaceRegionKeys(steps, caller, masterKey.activatedAt);
      if (told.length > 0)
        await say(
          `this region has new keys: give its identity ("regions identity") to ${told.join(", ")}, which reads nothing of companies at home here until it is added there`,
        );
      const companies = await selectCompanies(database, masterKeys.region);
      const remainders: Remainder[] = [];
      let rotated = 0;
      for (const [index, { id, subdomain, home }] of companies.entries()) {
        // The keys of a company that is at home elsewhere are replaced there.
        if (home !== undefined) continue;
        try {
          if (
            await companyKeyRotation.replaceOldKeys(caller, {
              companyId: id,
              madeUntil: masterKey.activatedAt,
            })
          )
            rotated++;
        } catch (error) {
          remainders.push(
            remainderOf(subdomain, "keys", { error, codes: ["INTEGRITY_FAILURE", "KEY_DESTROYED"] }),
          );
        }
        await say(`${index + 1} of ${companies.length} companies: ${subdomain}`);
      }

      const credentials: ExposedCredential[] = [];
      for (const company of companies) {
        try {
          for (const secret of await list(company)) credentials.push(exposedOf(catalog, company, secret));
        } catch (error) {
          remainders.push(
            remainderOf(company.subdomain, "list", {
              error,
              codes: ["STORE_UNAVAILABLE", "KEY_UNAVAILABLE", "INTEGRITY_FAILURE"],
            }),
          );
        }
      }
      // Again, now including the caller's own token and what was made with it or during the first time.
      const last = revokeCredentials ? await revokeAll(steps, startedAt, undefined) : undefined;
      // Failures that a repetition cannot repair do not keep the emergency rotation open.
      if (remainders.every(({ undone }) => undone === "keys")) {
        await steps.record({ version: masterKey.version });
      }
      return {
        startedAt,
        masterKeyVersion: masterKey.version,
        companies: rotated,
        revoked: first &&
          last && {
            apiKeys: first.apiKeys + last.apiKeys,
            operators: first.operators + last.operators,
          },
        credentials,
        remainders: remainders.filter(({ code }) => code !== "KEY_DESTROYED"),
      };
    });
  };
}

/** The database's time, rounded up to the precision of stored times, so that no earlier row has a later time. */
async function readClock(statements: Statements): Promise<Date> {
  const [row] = await statements.execute(
    sql`select ceil(extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
  );
  return new Date(z.number().parse(row?.["ms"]));
}

/** All companies: secrets of suspended and deleted ones are exposed as well. */
async function selectCompanies(database: Database, ownRegion: string): Promise<Company[]> {
  const { companies } = tables;
  const rows = await database.acrossCompanies((statements) =>
    statements.select().from(companies).orderBy(asc(companies.subdomain), asc(companies.id)),
  );
  return rows.map((row) => companyOfRow(row, ownRegion));
}
