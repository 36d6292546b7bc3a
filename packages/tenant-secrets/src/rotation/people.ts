import { and, eq, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import {
  type Caller,
  checkValueText,
  notFound,
  type RotationSupply,
  TenantSecretsError,
} from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { type Operation, type Operations, audited } from "../access/operation.ts";
import type { Companies, Company } from "../companies/companies.ts";
import type { RunRow } from "../runs/lease.ts";
import { openOtherVersion } from "../stores/database/earlier-version.ts";
import type { DatabaseParts } from "../stores/database/transaction.ts";
import type { Vault } from "../vault/vault.ts";
import { type DriverParts, driverOf } from "./driver-call.ts";
import type { DriverCall, RotationDriver } from "./drivers/driver.ts";
import { DriverError } from "./drivers/driver-error.ts";
import { markerOf } from "./drivers/marker.ts";
import type { RotationRun } from "./rotation-run.ts";
import { RotationFacts, RotationInput } from "./rotation-state.ts";
import { allowedOf } from "./run-words.ts";
import { rotationCaller } from "./secret-in-run.ts";
import { permits, refusal } from "../access/permissions.ts";
import { checkCredential } from "../providers/credential-check.ts";
import { parseSettings } from "./drivers/drivers.ts";

const { runs } = tables;

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

export interface PeopleParts extends DriverParts, Pick<DatabaseParts, "database" | "companyKeys"> {
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly vault: Pick<Vault, "openActive" | "stage">;
  readonly rotation: RotationRun;
}

type Action = Operation["action"] & `rotation.${string}`;

const checkMs = 15_000;

export function createPeopleInRotations(parts: PeopleParts): PeopleInRotations {
  const { operations, companies, vault, rotation, drivers, catalog, checks, outbound } = parts;

  const resolve = async (
    caller: Caller,
    { company: subdomain, run: subject }: RunName,
    { action, verb }: { readonly action: Action; readonly verb: "write" | "rotate" },
  ) => {
    const asked = { caller, action, subject } as const;
    const { company } = await companies.resolve(asked, subdomain);
    return { ...asked, company, verb, to: "rotate secrets" } as const;
  };

  /** Moves a run that waits on, in the transaction of the caller. */
  const move = async (
    statements: Statements,
    row: RunRow,
    to: { readonly phase: string; readonly facts?: Partial<RotationFacts> },
  ): Promise<void> => {
    const facts = {
      ...RotationFacts.parse(row.facts),
      phaseSince: null,
      accepted: 0,
      rejected: 0,
      unanswered: 0,
    };
    await statements
      .update(runs)
      .set({
        phase: to.phase,
        facts: { ...facts, ...to.facts },
        notBefore: null,
        ...(to.phase !== row.phase && { cursor: null }),
        // What a process that had the run still does is refused.
        fence: sql`${runs.fence} + 1`,
        updatedAt: sql`now()`,
      })
      .where(eq(runs.id, row.id));
    await rotation.enqueue(statements, row);
  };

  /** A run of the company that waits for this. */
  const lock = async (
    statements: Statements,
    { company, subject }: { readonly company: Company; readonly subject: string },
    what: ReturnType<typeof allowedOf>[number],
  ): Promise<RunRow> => {
    const [row] = await statements
      .select()
      .from(runs)
      .where(and(eq(runs.kind, rotation.kind), eq(runs.companyId, company.id), eq(runs.id, subject)))
      .for("update");
    if (row === undefined) throw notFound();
    if (row.state !== "running" || !allowedOf(row).includes(what)) throw notNow();
    const [{ driven } = { driven: false }] = await statements
      .select({ driven: sql<boolean>`coalesce(${runs.leaseUntil} > now(), false)` })
      .from(runs)
      .where(eq(runs.id, row.id));
    if (driven) throw workedOn();
    return row;
  };

  const change = async (
    caller: Caller,
    name: RunName,
    {
      action,
      what,
      to,
    }: {
      readonly action: Action;
      readonly what: ReturnType<typeof allowedOf>[number];
      readonly to: { readonly phase: string; readonly facts?: Partial<RotationFacts> };
    },
  ): Promise<void> => {
    const operation = await resolve(caller, name, { action, verb: "rotate" });
    await operations.change(operation, async ({ statements }) => {
      const row = await lock(statements, operation, what);
      await move(statements, row, to);
      return audited(undefined, { secretKey: RotationInput.parse(row.input).secretKey });
    });
  };

  /** Asks the driver of a run about values, outside its own steps. */
  const ask = async <T>(
    row: RunRow,
    work: (driver: RotationDriver, call: DriverCall) => Promise<T>,
  ): Promise<T> => {
    const input = RotationInput.parse(row.input);
    const driver = driverOf(drivers, input.driver);
    const signal = AbortSignal.timeout(checkMs);
    return work(driver, {
      settings: parseSettings(driver, input.settings),
      marker: markerOf(row.id, RotationFacts.parse(row.facts).attempt),
      check: async (value) => {
        if (catalog.find(input.secretKey)?.check === undefined) return "unknown";
        const { secretKey } = input;
        return checkCredential(catalog, checks, { secretKey, text: value.reveal(), options: { signal } });
      },
      fetch: (url, request) => outbound.fetch(url, request),
      signal,
    });
  };

  /** The run that waits for this, after the permission of the caller. */
  const runFor = async (
    operation: Awaited<ReturnType<typeof resolve>>,
    what: "supply" | "confirm",
  ): Promise<RunRow> => {
    await operations.authorize(operation);
    return parts.database.acrossCompanies((statements) => lock(statements, operation, what));
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
        const current = first && new Plaintext(Buffer.from(first.bytes));
        try {
          const verdict = await ask(row, (driver, call) => verdictOf(driver, call, { given, current }));
          requireGood(verdict, sameAccount);
        } finally {
          current?.wipe();
        }
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
          const locked = await lock(statements, operation, "supply");
          await move(statements, locked, { phase: "test", facts: { pendingVersion: version } });
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
      const active = await vault.openActive({ company, caller: rotationCaller(input, row.id) }, secretKey);
      const [first] = active;
      const current = first && new Plaintext(Buffer.from(first.bytes));
      for (const { bytes } of active) bytes.fill(0);
      const old =
        oldVersion === null
          ? undefined
          : await openOtherVersion(parts, company, { secretKey, version: oldVersion });
      try {
        const [ofNew, ofOld] = await ask(row, async (driver, call) => [
          current === undefined ? "unknown" : await driver.test(call, current),
          old === undefined ? "unknown" : await driver.test(call, old),
        ]);
        if (ofNew === "rejected") throw notAccepted();
        if (ofOld === "accepted") throw stillAccepted();
        await operations.change(operation, async ({ statements }) => {
          const locked = await lock(statements, operation, "confirm");
          const unconfirmed = ofOld !== "rejected";
          await move(statements, locked, { phase: "retire", facts: { unconfirmed } });
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

type Verdict = "good" | "rejected" | "other-account" | "unknown-account";

async function verdictOf(
  driver: RotationDriver,
  call: DriverCall,
  { given, current }: { readonly given: Plaintext; readonly current: Plaintext | undefined },
): Promise<Verdict> {
  try {
    const result = await driver.test(call, given);
    if (result === "rejected") return "rejected";
    if (driver.sameAccount === undefined || current === undefined) return "good";
    const same = await driver.sameAccount(call, current, given);
    return same === true ? "good" : same === false ? "other-account" : "unknown-account";
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    return "unknown-account";
  }
}

/** @throws {TenantSecretsError} */
function requireGood(verdict: Verdict, sameAccount: boolean): void {
  if (verdict === "rejected")
    throw new TenantSecretsError(
      "INVALID_VALUE",
      "The provider does not accept this value: nothing was stored.",
    );
  if (verdict === "other-account")
    throw new TenantSecretsError(
      "CONFLICT",
      "This value belongs to another account of the provider, or to another mode of it: nothing was stored.",
    );
  if (verdict === "unknown-account" && !sameAccount)
    throw new TenantSecretsError(
      "CONFLICT",
      "The provider does not say which account this value belongs to: look, and confirm that it is the same one.",
    );
}

function isOld(): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_VALUE",
    "This value is active already: enter the one that was made now. Nothing was stored.",
  );
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

function notNow(): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", "This rotation does not wait for that: look at where it is.");
}

function workedOn(): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", "This rotation is being worked on at the moment: try again.", {
    retryAfterMs: 1000,
  });
}
