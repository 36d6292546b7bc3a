import { randomBytes } from "node:crypto";
import { and, eq, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import type { AuditLog } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { derivationFor, isKeyOf, readMasterKey } from "../master/master-key-text.ts";
import { masterKeyFolder, masterKeyName } from "../master/master-key-name.ts";
import { askInfisical, readRegistry, type MasterKeyRow } from "../master/master-keys.ts";
import type { Entered, RunStep } from "../../runs/definition.ts";
import type { RotationFacts } from "./report.ts";

const { masterKeys: registry } = tables;

type RegisteredKey = Pick<MasterKeyRow, "version" | "derivation" | "parameters" | "checkValue">;

type Staging = RunStep<unknown, RotationFacts, "stage" | "backup">;

/**
 * The first phase of a rotation: a new master key in Infisical, pending in the registry. The key's check value is committed
 * before the key leaves this process, so that a key from another party is told from ours. A registered key that is not in
 * Infisical was lost with its process: its version ends, and the next version gets a new key. A version is not reused: another
 * process may have loaded the lost key, if a put arrived late or was removed.
 *
 * @throws {TenantSecretsError} CONFLICT, with the name, if Infisical has anything else under the new key's name; as
 *   `RunStep.commit`; KEY_UNAVAILABLE
 */
export function createStaging({
  database,
  infisical,
  region,
  audit,
}: {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly region: string;
  readonly audit: AuditLog;
}): (step: Staging) => Promise<Entered> {
  const find = async (version: number): Promise<MasterKeyRow | undefined> =>
    (await readRegistry(database)).find((row) => row.region === region && row.version === version);

  /** Whether Infisical has the key. @throws {TenantSecretsError} CONFLICT if it has something else under the name */
  const isInInfisical = async (version: number, key: RegisteredKey | undefined): Promise<boolean> => {
    const name = masterKeyName(region, version);
    const found = await askInfisical(region, () => infisical.findSecret(masterKeyFolder, name));
    if (found === undefined) return false;
    if (key !== undefined && (await isKeyOf(found.value, region, key))) return true;
    throw new TenantSecretsError(
      "CONFLICT",
      `Infisical has something under ${name} in the folder ${masterKeyFolder} that this rotation did not make. Nothing is wrapped under it. Find out who put it there, and remove it; then rotate again, which continues from here.`,
    );
  };

  /** Commits the check value of a new key, replacing the lost one if there is one. @returns its text too */
  const register = async (
    step: Staging,
    version: number,
    lost: RegisteredKey | undefined,
  ): Promise<RegisteredKey & { readonly text: string }> => {
    const text = randomBytes(32).toString("hex");
    const derivation = derivationFor(text);
    const { checkValue } = await readMasterKey(text, { region, version }, derivation);
    const key = { version, ...derivation, checkValue };
    await audit.ready();
    await step.commit(
      async (statements) => {
        if (lost !== undefined) {
          await statements
            .update(registry)
            .set({ status: "destroyed" })
            .where(and(eq(registry.region, region), eq(registry.version, lost.version)));
          const event = { action: "key.rotate", outcome: "success", version } as const;
          await audit.recordInTransaction(statements, step.caller, event);
        }
        await statements.insert(registry).values({ region, status: "pending", ...key });
      },
      { facts: { toVersion: version } },
    );
    return { ...key, text };
  };

  return async (step) => {
    const { toVersion } = step.facts;
    const registered = await find(toVersion);
    let key: RegisteredKey | undefined = registered;
    if (key === undefined || !(await isInInfisical(toVersion, registered))) {
      const version = registered === undefined ? toVersion : toVersion + 1;
      if (await isInInfisical(version, undefined)) throw new Error("nothing is ours before it is registered");
      const made = await register(step, version, registered);
      const name = masterKeyName(region, version);
      await askInfisical(region, () => infisical.putSecret(masterKeyFolder, name, made.text));
      key = made;
    }
    await step.say("the new key is in Infisical");
    if (!(await isInInfisical(key.version, key))) {
      throw new TenantSecretsError(
        "KEY_UNAVAILABLE",
        `Infisical took ${masterKeyName(region, key.version)} and does not have it. Rotate again, which makes another key.`,
      );
    }
    return step.enter(async (statements) => {
      // Processes were notified of the version when it was registered, and may have found no key then.
      await statements.execute(sql`select pg_notify('tenant_secrets', 'master-keys')`);
      return { phase: "backup" };
    });
  };
}
