import { LRUCache } from "lru-cache";
import {
  findApiKeyRow,
  findOperatorRow,
  findUserRow,
  touchApiKey,
  type ApiKeyRow,
  type Database,
  type UserRow,
} from "@repo/db";
import { z } from "zod";
import { type AuditLog, isDatabaseUnavailable, throwTenantSecretsError } from "@repo/audit-log";
import {
  type Actor,
  ApiKeyVerb,
  type Caller,
  type CompanyId,
  type OperatorLink,
  type Role,
  type ServiceActor,
  type Session,
  TenantSecretsError,
  unauthenticated,
  type UserActor,
} from "@repo/catalog";
import { deny, requireConfirmation } from "../access/attempt.ts";
import type { RateLimits } from "../access/rate-limits.ts";
import { createCache, type Cache } from "../cache/cache.ts";
import { asksForOperator, operatorOf } from "./acting.ts";
import { isInNetworks } from "./addresses.ts";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import { companyIdOf } from "./company-id.ts";
import { parseCredential, sameHash, type PresentedCredential } from "./credential.ts";

/** Where a request came from, for the audit log. */
export interface RequestOrigin {
  readonly requestId?: string | undefined;
  readonly address?: string | undefined;
}

/** The parts of a request that identify its sender. */
export interface AuthenticationRequest extends RequestOrigin {
  /** An API key or an operator's token. If present, the headers are ignored. */
  readonly credential?: string | undefined;
  /** For the sign-in of people: contains the session cookie, and perhaps `tenant-secrets-as: operator`. */
  readonly headers?: Headers | undefined;
}

/**
 * Identifies the sender of a request: API keys, operators' tokens and signed-in people.
 *
 * @throws {TenantSecretsError} UNAUTHENTICATED, with the same message for a missing, malformed, unknown, expired or revoked
 *   credential, for one used from an address that it is not for, and for a disabled person; RATE_LIMITED instead after too many
 *   wrong credentials from one address, which never refuses a valid one; for a request to act as an operator also INVALID_INPUT,
 *   FORBIDDEN and CONFIRMATION_REQUIRED; DATABASE_UNAVAILABLE
 */
export type Authenticate = (request: AuthenticationRequest) => Promise<Caller>;

/** A signed-in person. */
export interface SignedIn {
  /** The id of a row of `users`. */
  readonly userId: string;
  /** Left out by a sign-in that does not know when a person last confirmed who they are: the product asks them itself. */
  readonly session?: Session | undefined;
}

/**
 * Finds the signed-in person by the headers of a request, at every request: a session that has ended counts no more. Passwords
 * and second factors are the sign-in's own.
 *
 * @returns undefined without a session
 */
export type SignIn = (headers: Headers) => Promise<SignedIn | undefined>;

export interface Authentication {
  readonly authenticate: Authenticate;
  /**
   * Starts caching authentications, in a process that receives change notifications. An entry is used for five seconds, and
   * during a database outage for `staleIfErrorMs`, except for operators.
   */
  startCaching(): void;
  /** A credential or role has changed: drops all entries, which an outage does not bring back. */
  invalidate(): void;
  /** Changes may have been missed: queries the database again for every entry, wherever it is available. */
  markStale(): void;
  /** Ends {@link startCaching}. */
  stopCaching(): void;
}

/**
 * Milliseconds. A lost notification lets a revoked credential or role work for five seconds: this TTL, and one more second in
 * which the cache does not retry a query that failed.
 */
const authenticationTtlMs = 4000;
/** Milliseconds: long enough to absorb a flood of one bad credential, and short enough for a person who was just added. */
const refusalTtlMs = 1000;

/** Entries and bytes of each cache, and the estimated sizes of an entry. */
const bounds = { maxEntries: 10_000, maxBytes: 10_000_000 };
const findingBytes = 500;
const companyBytes = 100;

interface Finding {
  readonly actor: Actor;
  /** When the credential expires, by `performance.now()`: checked locally, since the database may be unavailable. */
  readonly endsAt: number;
  /** The networks that the credential may be used from; null for any. */
  readonly networks: readonly string[] | null;
  /** The operator that the person may act as, and when that ends by `performance.now()`. */
  readonly link?: (OperatorLink & { readonly endsAt: number }) | undefined;
  readonly secondFactorRequired?: boolean | undefined;
}

interface Sender {
  /** For the audit log in case of a refusal. */
  readonly name: string;
  /** The authentication, if there is one. */
  readonly finding?: Finding | undefined;
  readonly session?: Session | undefined;
}

export interface AuthenticationParts {
  readonly database: Database;
  readonly authentic: AuthenticRows;
  readonly audit: AuditLog;
  readonly limits: Pick<RateLimits, "credentialFailed" | "isGuessing" | "callFailed">;
  readonly signIn: SignIn | undefined;
  /** How long, in milliseconds, a cached authentication of a service or a person is used while the database is unavailable. */
  readonly staleIfErrorMs: number;
}

export function createAuthentication({
  database,
  authentic,
  audit,
  limits,
  signIn,
  staleIfErrorMs,
}: AuthenticationParts): Authentication {
  const touched = new LRUCache<string, true>({ max: 10_000, ttl: 60_000 });
  const cacheFor = (staleForMs: number): Cache<Finding> =>
    createCache<Finding>({
      ...bounds,
      ttlMs: authenticationTtlMs,
      negativeTtlMs: refusalTtlMs,
      staleIfErrorMs: staleForMs,
      sizeOf: ({ actor }) => findingBytes + companyBytes * companiesOf(actor),
      isUnavailable: isDatabaseUnavailable,
      isSourceUnavailable: isDatabaseUnavailable,
      // A slow database still has to confirm that a credential is not revoked.
      staleOnErrorOnly: true,
    });
  const findings = cacheFor(staleIfErrorMs);
  // Operators are not cached past the TTL: everything that they do needs the database.
  const ofOperators = cacheFor(0);
  const all = [findings, ofOperators];

  const findService = async ({ prefix, hash }: PresentedCredential): Promise<Finding | undefined> => {
    const askedAt = performance.now();
    const row = await findApiKeyRow(database, prefix);
    const matches = sameHash(hash, row?.hash ?? noHash);
    if (row === undefined || !(await authentic.accepts({ kind: "api-key", ...row }, row))) return undefined;
    if (!matches || row.revoked || row.expired) return undefined;
    if (!touched.has(row.id)) {
      touched.set(row.id, true);
      await touchApiKey(database, row.id);
    }
    return { actor: serviceOf(row), endsAt: askedAt + row.expiresInMs, networks: row.addresses };
  };

  const isEnabled = async (userId: string): Promise<boolean> => {
    const person = await findUserRow(database, userId);
    return person !== undefined && !person.disabled && authentic.accepts({ kind: "user", ...person }, person);
  };

  const findOperator = async ({ prefix, hash }: PresentedCredential): Promise<Finding | undefined> => {
    const askedAt = performance.now();
    const row = await findOperatorRow(database, prefix);
    const matches = sameHash(hash, row?.tokenHash ?? noHash);
    if (row === undefined || !(await authentic.accepts({ kind: "operator", ...row }, row))) return undefined;
    if (!matches || row.revoked || row.expired) return undefined;
    if (row.userId !== null && !(await isEnabled(row.userId))) return undefined;
    return {
      actor: { kind: "operator", id: row.id },
      endsAt: askedAt + row.expiresInMs,
      networks: null,
    };
  };

  const linkOf = async (
    { id: userId, link }: UserRow,
    { person, askedAt }: { readonly person: UserActor; readonly askedAt: number },
  ): Promise<Finding["link"]> => {
    if (link === undefined) return undefined;
    const { id, expiresAtMs } = link;
    const unrevoked = { tokenPrefix: null, tokenHash: null, revoked: false };
    if (!(await authentic.accepts({ kind: "operator", id, userId, expiresAtMs, ...unrevoked }, link)))
      return undefined;
    const until = new Date(expiresAtMs);
    return { operatorId: id, person, until, endsAt: askedAt + link.expiresInMs };
  };

  const findUser = async (id: string): Promise<Finding | undefined> => {
    const askedAt = performance.now();
    const row = z.uuid().safeParse(id).success ? await findUserRow(database, id) : undefined;
    if (row === undefined || !(await authentic.accepts({ kind: "user", ...row }, row))) return undefined;
    if (row.disabled) return undefined;
    const roles = new Map<CompanyId, Role>();
    let secondFactorRequired: true | undefined;
    for (const membership of row.memberships) {
      const state = { kind: "membership", ...membership, userId: row.id } as const;
      if (await authentic.accepts(state, membership)) {
        roles.set(companyIdOf({ id: membership.companyId }), membership.role);
        if (membership.secondFactorRequired) secondFactorRequired = true;
      }
    }
    const person = { kind: "user", id: row.id, roles } as const;
    const link = await linkOf(row, { person, askedAt });
    return { actor: person, endsAt: Infinity, networks: null, link, secondFactorRequired };
  };

  const cached = (
    among: Cache<Finding>,
    name: string,
    find: () => Promise<Finding | undefined>,
  ): Promise<Finding | undefined> => among.get({ owner: "", name, source: "database" }, find);

  const find = async (
    { credential, headers, address }: AuthenticationRequest,
    asOperator: boolean,
  ): Promise<Sender> => {
    if (credential !== undefined) {
      const presented = parseCredential(credential);
      if (presented === undefined) return { name: "none" };
      // Guesses are unlimited in number, and must not use up the connections of valid requests.
      const inTurn = (look: () => Promise<Finding | undefined>): Promise<Finding | undefined> =>
        limits.isGuessing(address) ? database.inShareOf("guesses", look) : look();
      const finding =
        presented.kind === "tsk"
          ? cached(findings, presented.hash, () => inTurn(() => findService(presented)))
          : cached(ofOperators, presented.hash, () => inTurn(() => findOperator(presented)));
      return { name: presented.prefix, finding: await finding };
    }
    const signedIn = headers === undefined ? undefined : await signIn?.(headers);
    if (signedIn === undefined) return { name: "none" };
    const { userId, session } = signedIn;
    const among = asOperator ? ofOperators : findings;
    const finding = await cached(among, `user ${userId}`, () => findUser(userId));
    return { name: userId, finding, session };
  };

  /** @param person who asks to act as an operator */
  const act = async (person: Caller): Promise<Caller> => {
    const operator = operatorOf(person);
    if (!(operator instanceof TenantSecretsError)) return { ...person, actor: operator };
    const attempt = { caller: person, action: "operator.act", subject: person.link?.operatorId } as const;
    if (operator.code === "CONFIRMATION_REQUIRED") return requireConfirmation(audit, attempt);
    return deny(audit, attempt, operator).catch(async (error: unknown) => {
      if (error instanceof TenantSecretsError) await limits.callFailed(person, error);
      throw error;
    });
  };

  const authenticate: Authenticate = async (request) => {
    const { requestId, address } = request;
    const asOperator = asksForOperator(request);
    const { name, finding, session } = await find(request, asOperator);
    if (finding !== undefined && isValid(finding, address)) {
      const { actor, secondFactorRequired } = finding;
      const caller = {
        actor,
        session,
        link: currentLink(finding),
        secondFactorRequired,
        requestId,
        address,
      };
      return asOperator ? act(caller) : caller;
    }
    // A request without a credential is not a guess.
    if (request.credential !== undefined) {
      await limits.credentialFailed({ address, requestId, prefix: name === "none" ? undefined : name });
    }
    await audit.record(
      { actor: { kind: "anonymous", id: name }, requestId, address },
      { action: "credential.check", outcome: "denied", reason: "UNAUTHENTICATED" },
    );
    throw unauthenticated();
  };

  return {
    authenticate: (request) => authenticate(request).catch(throwTenantSecretsError),
    startCaching: () => all.forEach((each) => each.start()),
    invalidate: () => all.forEach((each) => each.invalidateWhere(() => true)),
    markStale: () => all.forEach((each) => each.markStale()),
    stopCaching: () => all.forEach((each) => each.stop()),
  };
}

function isValid({ endsAt, networks }: Finding, address: string | undefined): boolean {
  return performance.now() < endsAt && (networks === null || isInNetworks(networks, address));
}

function currentLink({ link }: Finding): OperatorLink | undefined {
  if (link === undefined || performance.now() >= link.endsAt) return undefined;
  const { operatorId, person, until } = link;
  return { operatorId, person, until };
}

function companiesOf(actor: Actor): number {
  if (actor.kind === "service") return actor.companyIds.length;
  return actor.kind === "user" ? actor.roles.size : 0;
}

/** Compared with if there is no row, so that an unknown prefix takes as long as a wrong secret. */
const noHash = "0".repeat(64);

function serviceOf(row: ApiKeyRow): ServiceActor {
  const ids = row.companyId === null ? row.companyIds : [row.companyId];
  return {
    kind: "service",
    id: row.id,
    companyIds: ids.map((id) => companyIdOf({ id })),
    // A verb unknown to this release grants nothing.
    grant: {
      verbs: row.verbs.flatMap((verb) => ApiKeyVerb.safeParse(verb).data ?? []),
      secretKeys: row.keyPatterns,
    },
  };
}
