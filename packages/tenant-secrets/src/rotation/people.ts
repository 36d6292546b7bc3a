import {
  type Caller,
  checkValueText,
  type OpenValue,
  type RotationSupply,
  TenantSecretsError,
} from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { type Operations, audited } from "../access/operation.ts";
import { permits, refusal } from "../access/permissions.ts";
import type { Companies } from "../companies/companies.ts";
import type { RunRow } from "../runs/lease.ts";
import type { DatabaseParts } from "../stores/database/transaction.ts";
import type { Vault } from "../vault/vault.ts";
import { driverCall, type DriverParts, driverOf } from "./driver-call.ts";
import type { DriverCall, RotationDriver } from "./drivers/driver.ts";
import { DriverError } from "./drivers/driver-error.ts";
import type { RotationAction } from "./rotation-operation.ts";
import type { RotationRun } from "./rotation-run.ts";
import { RotationFacts, RotationInput } from "./rotation-state.ts";
import { openOther, rotationCaller } from "./secret-in-run.ts";
import { isOld, requireGood, verdictOf } from "./supplied-value.ts";
import { type Asked, lockWaiting, type Moved, moveWaiting } from "./waiting-run.ts";

export interface RunName {
  readonly company: string;
  readonly run: string;
}

/**
 * What people do in a rotation. Each method throws FORBIDDEN; NOT_FOUND for a run that is not of the caller's company; CONFLICT for
 * one that does not wait for this, or is being worked on at the moment.
 */
export interface PeopleInRotations {
  /**
   * Asks the provider about the value, and stages it.
   *
   * @returns its version
   * @throws {TenantSecretsError} INVALID_VALUE for what is no such credential, is refused by the provider, or is an active value
   *   already; CONFLICT where it is of another account, or where that is not known and was not confirmed
   */
  supply(caller: Caller, supply: RotationSupply): Promise<number>;
  /** @throws {TenantSecretsError} CONFLICT while the provider still accepts the old one, or has never accepted the new one */
  confirm(caller: Caller, name: RunName): Promise<void>;
  abort(caller: Caller, name: RunName): Promise<void>;
  fallBack(caller: Caller, name: RunName): Promise<void>;
}

export interface PeopleParts extends DriverParts, Pick<DatabaseParts, "database" | "companyKeys" | "audit"> {
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly vault: Pick<Vault, "openActive" | "stage">;
  readonly rotation: RotationRun;
}

const checkMs = 15_000;

export function createPeopleInRotations(parts: PeopleParts): PeopleInRotations {
  const { operations, companies, vault, rotation, catalog } = parts;

  const resolve = async (
    caller: Caller,
    { company: subdomain, run: subject }: RunName,
    { action, verb }: { readonly action: RotationAction; readonly verb: "write" | "rotate" },
  ) => {
    const asked = { caller, action, subject } as const;
    const { company } = await companies.resolve(asked, subdomain);
    return { ...asked, company, verb, to: "rotate secrets" } as const;
  };

  const change = async (
    caller: Caller,
    name: RunName,
    {
      action,
      what,
      to,
    }: {
      readonly action: RotationAction;
      readonly what: Asked;
      readonly to: Moved;
    },
  ): Promise<void> => {
    const operation = await resolve(caller, name, { action, verb: "rotate" });
    await operations.change(operation, async ({ statements }) => {
      const row = await lockWaiting(statements, rotation, { ...operation, what });
      await moveWaiting(statements, rotation, { row, to });
      return audited(undefined, { secretKey: RotationInput.parse(row.input).secretKey });
    });
  };

  /** Asks the driver of a run about values, outside its own steps. @throws {TenantSecretsError} NOT_SUPPORTED */
  const ask = async <T>(
    row: RunRow,
    current: Plaintext | undefined,
    work: (driver: RotationDriver, call: DriverCall) => Promise<T>,
  ): Promise<T> => {
    const step = { run: row, input: RotationInput.parse(row.input), facts: RotationFacts.parse(row.facts) };
    const signal = AbortSignal.timeout(checkMs);
    try {
      const call = driverCall(parts, step, { current, manager: undefined, signal });
      return await work(driverOf(parts.drivers, step.input.driver), call);
    } catch (error) {
      if (error instanceof DriverError) throw notAsked();
      throw error;
    }
  };

  /** The run that waits for this, after the permission of the caller. */
  const runFor = async (
    operation: Awaited<ReturnType<typeof resolve>>,
    what: "supply" | "confirm",
  ): Promise<RunRow> => {
    await operations.authorize(operation);
    return parts.database.acrossCompanies((statements) =>
      lockWaiting(statements, rotation, { ...operation, what }),
    );
  };

  return {
    supply: async (caller, { value, sameAccount, ...name }) => {
      const operation = await resolve(caller, name, { action: "rotation.supply", verb: "write" });
      const row = await runFor(operation, "supply");
      const input = RotationInput.parse(row.input);
      const { secretKey } = input;
      const { currentVersion } = RotationFacts.parse(row.facts);
      const { company } = operation;
      if (!permits(caller.actor, "write", { companyId: company.id, secretKey }))
        return operations.deny(operation, refusal(caller.actor, "write", secretKey));
      checkValueText(catalog, secretKey, value);
      const active = await vault.openActive({ company, caller: rotationCaller(input, row.id) }, secretKey);
      const given = Plaintext.fromText(value);
      try {
        const known = active.find(({ bytes }) => given.bytes.equals(bytes));
        // Staged by a call whose answer was lost: a pending version is newer than the current one.
        const isStaged = known !== undefined && currentVersion !== null && known.version > currentVersion;
        if (known !== undefined && !isStaged) throw isOld();
        const [first] = active;
        const current = first && plaintextOf(first);
        const verdict = await ask(row, current, (driver, call) =>
          verdictOf(driver, call, { given, current }),
        );
        requireGood(verdict, sameAccount);
        const version = isStaged
          ? known.version
          : (
              await vault.stage(
                { company, caller },
                {
                  secretKey,
                  value,
                  expectedVersion: currentVersion ?? undefined,
                  note: "Supplied for a rotation.",
                },
              )
            ).version;
        await operations.change(operation, async ({ statements }) => {
          const locked = await lockWaiting(statements, rotation, { ...operation, what: "supply" });
          const to = { phase: "test", facts: { pendingVersion: version } } as const;
          await moveWaiting(statements, rotation, { row: locked, to });
          return audited(undefined, { secretKey, version });
        });
        return version;
      } finally {
        given.wipe();
        for (const { bytes } of active) bytes.fill(0);
      }
    },

    confirm: async (caller, name) => {
      const operation = await resolve(caller, name, { action: "rotation.confirm", verb: "rotate" });
      const row = await runFor(operation, "confirm");
      const input = RotationInput.parse(row.input);
      const { currentVersion: oldVersion } = RotationFacts.parse(row.facts);
      const { company } = operation;
      const { secretKey } = input;
      const scope = { company, caller: rotationCaller(input, row.id) };
      const [first, ...others] = await vault.openActive(scope, secretKey);
      for (const { bytes } of others) bytes.fill(0);
      const current = first && plaintextOf(first);
      let old: Plaintext | undefined;
      try {
        if (oldVersion !== null) old = await openOther(parts, scope, { secretKey, version: oldVersion });
        const [ofNew, ofOld] = await ask(row, current, async (driver, call) => [
          current === undefined ? "unknown" : await driver.test(call, current),
          old === undefined ? "unknown" : await driver.test(call, old),
        ]);
        if (ofNew === "rejected") throw notAccepted();
        if (ofOld === "accepted") throw stillAccepted();
        await operations.change(operation, async ({ statements }) => {
          const locked = await lockWaiting(statements, rotation, { ...operation, what: "confirm" });
          const to = { phase: "retire", facts: { unconfirmed: ofOld !== "rejected" } } as const;
          await moveWaiting(statements, rotation, { row: locked, to });
          return audited(undefined, { secretKey });
        });
      } finally {
        current?.wipe();
        old?.wipe();
      }
    },

    abort: (caller, name) =>
      change(caller, name, {
        action: "rotation.abort",
        what: "abort",
        to: { phase: "give-up", facts: { outcome: "failed", reason: "ABORTED" } },
      }),

    fallBack: (caller, name) =>
      change(caller, name, {
        action: "rotation.fall-back",
        what: "fallBack",
        to: { phase: "watch", facts: { fallBack: true } },
      }),
  };
}

function notAccepted(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "The provider does not accept the new value: do not end the old one. Fall back, or rotate once more.",
  );
}

function stillAccepted(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "The provider still accepts the old value: end it there, and confirm then.",
  );
}

function notAsked(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "This deployment cannot ask the provider: it has no driver of this name, or one that does not take these settings.",
  );
}

/** The same bytes: they are wiped together. */
function plaintextOf({ bytes }: OpenValue): Plaintext {
  return new Plaintext(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}
