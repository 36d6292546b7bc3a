import { isDatabaseUnavailable } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import type { Entered } from "../runs/definition.ts";
import { changeCredential, putCredential } from "./credentials.ts";
import { type AskDriver, driverOf, type DriverParts } from "./driver-call.ts";
import type { ExchangeDriver, MakingDriver, ProviderDriver, RotationDriver } from "./drivers/driver.ts";
import { DriverError } from "./drivers/driver-error.ts";
import { attemptOf, markerOf } from "./drivers/marker.ts";
import { again, attempt, enter, giveUp, lasted } from "./next.ts";
import { Cursor, type RotationStep, secondMs } from "./rotation-state.ts";
import { type SecretInRun, secretInRun, type SecretParts } from "./secret-in-run.ts";

export interface RunParts extends SecretParts, DriverParts {
  readonly ask: AskDriver;
}

/**
 * The credentials that a run may have asked for, those whose answers were lost as well, when a value that is refused needs a
 * person instead of another attempt.
 */
const mostBeforeRefusal = 3;

/** What is checked before anything is asked of the provider, and the intent. */
export async function prepare(parts: RunParts, step: RotationStep): Promise<Entered> {
  return attempt(step, async () => {
    const secret = await openSecret(parts, step);
    if (secret === undefined) return giveUp(step, "STORE");
    const driver = driverOf(parts.drivers, step.input.driver);
    // What is only in Infisical is copied by reading it.
    const current = await secret.openCurrent();
    current?.plaintext.wipe();
    const head = await secret.head();
    if (current === undefined || head === undefined) return giveUp(step, "NO_VALUE");
    const currentVersion = head.currentVersion;
    const staged = Cursor.parse(step.cursor)?.staged === true;
    if (head.pendingVersion !== null && !staged) return giveUp(step, "PENDING_TAKEN");
    if (driver.creates === "person") return enter(step, "ask", { currentVersion });
    // What is exchanged has no name at the provider.
    if (driver.creates === "exchange") return enter(step, "create", { currentVersion });
    if (driver.creates === "provider") return intend(step, currentVersion);
    if (head.pendingVersion !== null)
      return enter(step, "create", { currentVersion, pendingVersion: head.pendingVersion });
    const pendingVersion = await parts.ask(step, secret, async (_, { settings, current: value }) => {
      const made = driver.make(settings, value);
      try {
        const at = { cursor: { asked: false, staged: true, ref: null } };
        return await stage(secret, { plaintext: made, expectedVersion: currentVersion }, at);
      } finally {
        made.wipe();
      }
    });
    return enter(step, "create", { currentVersion, pendingVersion });
  });
}

/** The provider is asked for a credential with a marker that is written down first. */
function intend(step: RotationStep, currentVersion: number): Promise<Entered> {
  return step.enter(async (statements) => {
    await putCredential(statements, step, { state: "wanted" });
    return { phase: "create", facts: { currentVersion, phaseSince: null } };
  });
}

export async function create(parts: RunParts, step: RotationStep): Promise<Entered> {
  return attempt(
    step,
    async () => {
      const secret = await openSecret(parts, step);
      if (secret === undefined) return giveUp(step, "STORE");
      const driver = driverOf(parts.drivers, step.input.driver);
      switch (driver.creates) {
        case "us":
          return apply(parts, { step, secret, driver });
        case "provider":
          return createAtProvider(parts, { step, secret, driver });
        case "exchange":
          return exchange(parts, { step, secret, driver });
        case "person":
          return giveUp(step, "MISCONFIGURED");
      }
    },
    (reason) => {
      const { attempt: count } = step.facts;
      if (reason !== "REJECTED_VALUE" || count >= mostBeforeRefusal) return giveUp(step, reason);
      return anotherValue(parts, step);
    },
  );
}

/** The provider does not take the value: it is discarded, and another one is made. */
async function anotherValue(parts: RunParts, step: RotationStep): Promise<Entered> {
  const secret = await openSecret(parts, step);
  const head = await secret?.head();
  const { pendingVersion, attempt: count } = step.facts;
  if (secret !== undefined && pendingVersion !== null && head?.pendingVersion === pendingVersion)
    await secret.discard(pendingVersion);
  if (pendingVersion !== null) {
    // The provider has not taken it, so that there is nothing to end.
    const refused = { ...step.input, marker: markerOf(step.run.id, count) };
    await step.commit((statements) => changeCredential(statements, refused, "retired"));
  }
  return enter(step, "prepare", { attempt: count + 1, pendingVersion: null });
}

interface Making<D extends RotationDriver> {
  readonly step: RotationStep;
  readonly secret: SecretInRun;
  readonly driver: D;
}

async function apply({ ask }: RunParts, { step, secret, driver }: Making<MakingDriver>): Promise<Entered> {
  const { pendingVersion } = step.facts;
  const value = pendingVersion === null ? undefined : await secret.openOther(pendingVersion);
  if (value === undefined) return giveUp(step, "OVERTAKEN");
  try {
    const known = driver.refOf?.(value);
    if (known !== undefined && pendingVersion !== null) {
      const told = { state: "live", ref: known, version: pendingVersion } as const;
      await step.commit((statements) => putCredential(statements, step, told));
    }
    const { ref } = await ask(step, secret, (_, call) => driver.apply(call, value));
    const waits = !step.input.urgent && (driver.leadSeconds ?? 0) > 0;
    return await step.enter(async (statements) => {
      if (ref !== undefined && pendingVersion !== null)
        await putCredential(statements, step, { state: "live", ref, version: pendingVersion });
      return { phase: waits ? "lead" : "test", facts: { phaseSince: null, unanswered: 0 } };
    });
  } finally {
    value.wipe();
  }
}

async function createAtProvider(
  { ask }: RunParts,
  { step, secret, driver }: Making<ProviderDriver>,
): Promise<Entered> {
  const cursor = Cursor.parse(step.cursor);
  const { currentVersion } = step.facts;
  if (currentVersion === null) return giveUp(step, "NO_VALUE");
  if (cursor?.staged === true) return afterStaging(step, secret, cursor.ref);
  if (cursor?.asked === true) return anotherMarker(step, driver);
  await step.commit(() => Promise.resolve(), { cursor: { asked: true, staged: false, ref: null } });
  const ref = await ask(step, secret, async (_, call) => {
    // Those of earlier attempts alone: a later one is of the process that has taken the run over.
    for (const left of (await driver.find?.(call)) ?? [])
      if (attemptOf(left.marker, step.run.id) < step.facts.attempt) await driver.retire(call, left);
    const made = await driver.create(call);
    try {
      const at = { cursor: { asked: true, staged: true, ref: made.ref } };
      const next = { plaintext: made.value, expectedVersion: currentVersion, expiresAt: made.expiresAt };
      await stage(secret, next, at);
      return made.ref;
    } catch (error) {
      // It is stored nowhere, and this process alone knows it: another process may drive the run by now.
      const { marker } = call;
      await driver.retire(call, { ref: made.ref, marker, value: made.value }).catch(() => {});
      throw error;
    } finally {
      made.value.wipe();
    }
  });
  return afterStaging(step, secret, ref);
}

/**
 * The provider was asked, and what came of it is not known: another process may still be at it. The next credential has a name of
 * its own, and where the provider has no list, the one before may be left there.
 */
function anotherMarker(step: RotationStep, { find }: Pick<ProviderDriver, "find">): Promise<Entered> {
  return step.enter(async (statements) => {
    if (find === undefined) await putCredential(statements, step, { state: "orphan" });
    return { phase: "prepare", facts: { attempt: step.facts.attempt + 1 } };
  });
}

async function afterStaging(step: RotationStep, secret: SecretInRun, ref: string | null): Promise<Entered> {
  const pendingVersion = (await secret.head())?.pendingVersion ?? null;
  if (pendingVersion === null) return giveUp(step, "OVERTAKEN");
  return step.enter(async (statements) => {
    await putCredential(statements, step, { state: "live", ref, version: pendingVersion });
    return { phase: "test", facts: { pendingVersion, phaseSince: null, unanswered: 0 } };
  });
}

/** Milliseconds after which a refused exchange is tried once more: its answer may have been lost. */
const againMs = 30 * secondMs;

async function exchange(
  { ask }: RunParts,
  { step, secret, driver }: Making<ExchangeDriver>,
): Promise<Entered> {
  const { currentVersion, rejected } = step.facts;
  if (currentVersion === null) return giveUp(step, "NO_VALUE");
  // Another process, or a person, has exchanged it.
  if ((await secret.head())?.currentVersion !== currentVersion)
    return step.enter({ phase: "watch", facts: { outcome: "rotated" } });
  try {
    const { value, expiresAt } = await ask(step, secret, (_, call, version) => {
      // A token that was read before another process replaced it is used up: a provider may take it for a thief's.
      if (version !== currentVersion) throw new DriverError("transient");
      return driver.exchange(call);
    });
    try {
      await secret.write({ plaintext: value, expectedVersion: currentVersion, expiresAt }, {});
    } finally {
      value.wipe();
    }
  } catch (error) {
    if (!(error instanceof DriverError) || error.code !== "reauth-required") throw error;
    if (rejected === 0) return again(step, againMs, { rejected: 1 });
    return giveUp(step, "REAUTH_REQUIRED");
  }
  return step.enter({ phase: "watch", facts: { outcome: "rotated" } });
}

/** The other side has this time to fetch the pending value. */
export async function lead(parts: RunParts, step: RotationStep): Promise<Entered> {
  const driver = driverOf(parts.drivers, step.input.driver);
  const leadMs = driver.creates === "us" ? (driver.leadSeconds ?? 0) * secondMs : 0;
  const passed = await lasted(parts.database, step);
  return step.facts.phaseSince === null || passed < leadMs
    ? again(step, leadMs - passed)
    : enter(step, "test");
}

/** @throws {DriverError} rejected-value for a value that the catalogue does not take */
async function stage(
  secret: SecretInRun,
  made: {
    readonly plaintext: Plaintext;
    readonly expectedVersion: number;
    readonly expiresAt?: Date | undefined;
  },
  at: { readonly cursor: unknown },
): Promise<number> {
  try {
    return await secret.stage({ expiresAt: undefined, ...made }, at);
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === "INVALID_VALUE")
      throw new DriverError("rejected-value");
    throw error;
  }
}

/** @returns undefined where the company's secrets cannot be rotated now: it is on Infisical, or gone */
export async function openSecret(parts: RunParts, step: RotationStep): Promise<SecretInRun | undefined> {
  try {
    return await secretInRun(parts, step);
  } catch (error) {
    if (isDatabaseUnavailable(error)) throw error;
    if (error instanceof TenantSecretsError && (error.code === "NOT_SUPPORTED" || error.code === "NOT_FOUND"))
      return undefined;
    throw error;
  }
}
