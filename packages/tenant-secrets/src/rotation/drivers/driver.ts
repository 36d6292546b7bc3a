import type { CheckResult } from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import type { Outbound } from "@repo/outbound";
import type { z } from "zod";

/** How requests to a provider are sent: see `Outbound` of packages/outbound. */
export type GuardedFetch = Outbound["fetch"];

/** What a step of a driver gets. Its values are wiped when the step is over. */
export interface DriverCall<S = unknown> {
  /** As the driver's `settings` parsed them. */
  readonly settings: S;
  /** What a credential of this attempt is called at the provider: see `markerOf`. */
  readonly marker: string;
  /** The current value of the secret; undefined while it has none. */
  readonly current?: Plaintext | undefined;
  /** The credential with whose rights the driver acts: see `manager` of {@link DriverFacts}. */
  readonly manager?: Plaintext | undefined;
  /** Asks the check that the catalogue names for this secret; "unknown" where it names none. */
  readonly check: (value: Plaintext) => Promise<CheckResult>;
  readonly fetch: GuardedFetch;
  /** Aborted when the step may take no longer, 30 seconds after it began. */
  readonly signal: AbortSignal;
}

/** One credential at a provider, of which the value may be gone already. */
export interface Retirement {
  /** The provider's id. Never a value. */
  readonly ref: string;
  /** What it is called there. Undefined for one that a person made: the policy says that it is retired all the same. */
  readonly marker: string | undefined;
  readonly value?: Plaintext | undefined;
}

export interface NewCredential {
  readonly value: Plaintext;
  readonly ref: string;
  /** When it ends at the provider, where the provider says so. */
  readonly expiresAt?: Date | undefined;
}

/** The values that a policy is about. They are wiped afterwards. */
export interface PolicyValues {
  readonly current: Plaintext;
  /** Undefined where the policy names none. */
  readonly manager: Plaintext | undefined;
}

/** What every driver says of itself, and can do. */
interface DriverFacts<S> {
  /** What catalogue entries and policies call it. */
  readonly name: string;
  /** A strict schema: settings come from people. */
  readonly settings: z.ZodType<S>;
  /**
   * `both-valid`: old and new value are accepted at the same time. `replaces`: the new value ends the old one as it is made.
   * `single-use`: making the new value uses the old one up.
   */
  readonly overlap: "both-valid" | "replaces" | "single-use";
  /** How long a provider may refuse a new credential that is good, in seconds. */
  readonly settleSeconds: number;
  /**
   * With whose rights the driver acts. `none`: it asks no provider. `self`: with those of the current value. `required`: with
   * those of another secret of the company, which the policy names. `optional`: as `required` where the policy names one, else
   * as `self`.
   */
  readonly manager: "none" | "self" | "required" | "optional";
  /** Milliseconds between the beginnings of two steps of this driver in one process. Default 250. */
  readonly paceMs?: number | undefined;
  /** The shortest time between two rotations, in seconds. Default: an hour. */
  readonly leastSeconds?: number | undefined;
  /** What a person has to know who makes a policy with this driver: a sentence. */
  readonly warning?: string | undefined;
  /**
   * Says before a policy is saved why its rotations would fail, as far as settings and values tell. No provider is asked.
   *
   * @returns why, without its subject and without a word of a value; undefined where nothing is known to be wrong
   */
  refuses?(settings: S, values: PolicyValues): string | undefined;
  /**
   * Asks the provider whether it accepts a value, by a call that changes nothing. Outages and unexpected answers are "unknown".
   *
   * @throws {DriverError} misconfigured
   */
  test(call: DriverCall<S>, value: Plaintext): Promise<CheckResult>;
  /** Whether two values belong to the same account of the provider. @throws {DriverError} */
  sameAccount?(call: DriverCall<S>, one: Plaintext, other: Plaintext): Promise<boolean | "unknown">;
}

/** For drivers whose old credentials can be ended by a call. */
interface Retires<S> {
  /**
   * Ends a credential at the provider. One that is called otherwise there than `marker` says is not touched, nor is the one of
   * the current value where the driver can tell.
   *
   * @returns gone: the provider had it no more, such as after an answer that was lost
   * @throws {DriverError} misconfigured where it is not touched
   */
  retire(call: DriverCall<S>, old: Retirement): Promise<"retired" | "gone">;
  /** Whether the provider is known to have forgotten it: its value is rejected, or it is missing from the list. @throws {DriverError} */
  confirm?(call: DriverCall<S>, old: Retirement): Promise<boolean>;
}

/** The value is made here. Where there is a provider, it is told the value. */
export interface MakingDriver<S = unknown> extends DriverFacts<S>, Retires<S> {
  readonly creates: "us";
  /** For how long the other side is given to fetch the pending value before it becomes the current one, in seconds. Default: 0 */
  readonly leadSeconds?: number | undefined;
  /**
   * Makes the next value without asking the provider.
   *
   * @param current undefined while the secret has no value
   * @throws {DriverError} misconfigured where the current value does not have the form that the next one is made from
   */
  make(settings: S, current: Plaintext | undefined): Plaintext;
  /**
   * How the provider calls the credential of a value, where that is known before the provider is told the value: then it is ended
   * although the answer of `apply` was lost.
   *
   * @throws {DriverError} misconfigured
   */
  refOf?(value: Plaintext): string;
  /**
   * Tells the provider a value of `make`, which is stored by now. The same value again changes nothing.
   *
   * @throws {DriverError}
   */
  apply(
    call: DriverCall<S>,
    value: Plaintext,
  ): Promise<{ readonly ref?: string | undefined; readonly expiresAt?: Date | undefined }>;
}

/** The provider makes the value, and calls it by a marker. */
export interface ProviderDriver<S = unknown> extends DriverFacts<S>, Retires<S> {
  readonly creates: "provider";
  /** Makes another credential each time: call `find` before it. @throws {DriverError} */
  create(call: DriverCall<S>): Promise<NewCredential>;
  /**
   * Finds credentials that were made here, of this run and of others, by the form of their marker. Left out where the provider
   * has no list.
   *
   * @throws {DriverError}
   */
  find?(call: DriverCall<S>): Promise<readonly { readonly ref: string; readonly marker: string }[]>;
}

/** The current value is exchanged for the next one. */
export interface ExchangeDriver<S = unknown> extends DriverFacts<S> {
  readonly creates: "exchange";
  /**
   * @throws {DriverError} reauth-required where the provider refuses the current value: another process may have exchanged it, or
   *   an answer was lost. Read the secret again, and ask once more, before a person is asked.
   */
  exchange(
    call: DriverCall<S>,
  ): Promise<{ readonly value: Plaintext; readonly expiresAt?: Date | undefined }>;
}

/** A person makes the value at the provider, and ends the old one there. */
export interface PersonDriver<S = unknown> extends DriverFacts<S> {
  readonly creates: "person";
  guide(settings: S): Guide;
  /** Whether the provider is known to have forgotten a value. @throws {DriverError} */
  confirm?(call: DriverCall<S>, old: Pick<Retirement, "value">): Promise<boolean>;
}

/** What a person is asked to do at a provider, in their words. */
export interface Guide {
  /** Such as "Stripe". */
  readonly provider: string;
  /** Where the provider has the page for it: an address with https. */
  readonly link?: string | undefined;
  /** Sentences, in order: how the new credential is made, up to the point at which it is entered here. */
  readonly create: readonly string[];
  /** Sentences, in order: how the old credential is ended. */
  readonly retire: readonly string[];
}

/**
 * Renews the credential of one provider, step by step. Each step may run twice, and be lost before or after it took effect, so
 * that what a step promises holds for its repetition, too. A step takes 30 seconds at most.
 *
 * A step rejects with a `DriverError` alone. Nothing of a provider's answer is in it, and no driver writes a value to a log.
 */
export type RotationDriver<S = unknown> =
  | MakingDriver<S>
  | ProviderDriver<S>
  | ExchangeDriver<S>
  | PersonDriver<S>;

/** Drivers by the names used in catalogue entries and policies: each under its own `name`. */
export type RotationDrivers = Readonly<Record<string, RotationDriver>>;
