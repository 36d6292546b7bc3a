import { LRUCache } from "lru-cache";
import {
  findApiKeyRow,
  findOperatorRow,
  findUserRow,
  touchApiKey,
  type ApiKeyRow,
  type Database,
} from "@repo/db";
import { z } from "zod";
import { type AuditLog, isDatabaseUnavailable, throwTenantSecretsError } from "@repo/audit-log";
import {
  type Actor,
  ApiKeyVerb,
  type Caller,
  type CompanyId,
  type Role,
  type ServiceActor,
  unauthenticated,
} from "@repo/catalog";
import type { RateLimits } from "../access/rate-limits.ts";
import { createCache, type Cache } from "../cache/cache.ts";
import { isInNetworks } from "./addresses.ts";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import { companyIdOf } from "./company-id.ts";
import { parseCredential, sameHash, type PresentedCredential } from "./credential.ts";

/** Where a request came from, for the audit log. */
export interface RequestOrigin {
  readonly requestId?: string | undefined;
  readonly address?: string | undefined;
}

/** What a request shows of who sends it. */
export interface AuthenticationRequest extends RequestOrigin {
  /** An API key or an operator's token. Where there is one it decides, whatever the headers hold. */
  readonly credential?: string | undefined;
  /** For the sign-in of people: a session's cookie is among them. */
  readonly headers?: Headers | undefined;
}

/**
 * Finds who sends a request: one way for API keys, operators' tokens and people who have signed in.
 *
 * @throws {TenantSecretsError} UNAUTHENTICATED, one text for a missing, malformed, unknown, expired and revoked credential,
 *   for one from an address that it is not for, and for a person who is disabled; RATE_LIMITED instead after too many wrong
 *   credentials of one address, which never refuses a right one; DATABASE_UNAVAILABLE
 */
export type Authenticate = (request: AuthenticationRequest) => Promise<Caller>;

/**
 * Who has signed in, by the headers of a request. Another package's business: sessions, passwords and second factors.
 *
 * @returns the id of a row of `users`, or undefined where nobody has
 */
export type SignIn = (headers: Headers) => Promise<string | undefined>;

export interface Authentication {
  readonly authenticate: Authenticate;
  /**
   * What was found out about credentials is kept from now on; for who hears of changes. It counts for five seconds, and in an
   * outage of the database for `staleIfErrorMs`, but for operators.
   */
  startCaching(): void;
  /** Somebody's credential or role has changed: what is known of anybody counts no more, in an outage neither. */
  invalidate(): void;
  /** Changes may have been missed: asks the database anew, about everybody, wherever it can be asked. */
  markStale(): void;
  /** Ends {@link keep}. */
  stopCaching(): void;
}

/**
 * What a lost notification costs is five seconds: how long a revoked credential, or a role that was taken away, may still
 * count. The last of them is the one in which nobody is asked after a question that the database did not answer.
 */
const keptMs = 4000;
/** Long enough to answer a flood of one bad credential, and no longer than somebody waits who was just let in. */
const refusalKeptMs = 1000;

/** How many findings are kept, and about how large one is. */
const bounds = { maxEntries: 10_000, maxBytes: 10_000_000 };
const findingBytes = 500;
const companyBytes = 100;

interface Finding {
  readonly actor: Actor;
  /** When the credential ends, by `performance.now()`; the database may not be there to ask. */
  readonly endsAt: number;
  /** Where it has to come from; null for anywhere. */
  readonly networks: readonly string[] | null;
}

export interface AuthenticationParts {
  readonly database: Database;
  readonly authentic: AuthenticRows;
  readonly audit: AuditLog;
  readonly limits: Pick<RateLimits, "credentialFailed" | "isGuessing">;
  readonly signIn: SignIn | undefined;
  /** How long after it was checked a credential of a service, or who has signed in, counts where the database is away. */
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
      ttlMs: keptMs,
      negativeTtlMs: refusalKeptMs,
      staleIfErrorMs: staleForMs,
      sizeOf: ({ actor }) => findingBytes + companyBytes * companiesOf(actor),
      isUnavailable: isDatabaseUnavailable,
      isSourceUnavailable: isDatabaseUnavailable,
      // A database that is slow can be asked whether a credential was revoked.
      staleOnErrorOnly: true,
    });
  const findings = cacheFor(staleIfErrorMs);
  // What operators do needs the database, all of it.
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

  const findOperator = async ({ prefix, hash }: PresentedCredential): Promise<Finding | undefined> => {
    const askedAt = performance.now();
    const row = await findOperatorRow(database, prefix);
    const matches = sameHash(hash, row?.tokenHash ?? noHash);
    if (row === undefined || !(await authentic.accepts({ kind: "operator", ...row }, row))) return undefined;
    if (!matches || row.revoked || row.expired) return undefined;
    return {
      actor: { kind: "operator", id: row.id },
      endsAt: askedAt + row.expiresInMs,
      networks: null,
    };
  };

  const findUser = async (id: string): Promise<Finding | undefined> => {
    const row = z.uuid().safeParse(id).success ? await findUserRow(database, id) : undefined;
    if (row === undefined || !(await authentic.accepts({ kind: "user", ...row }, row))) return undefined;
    if (row.disabled) return undefined;
    const roles = new Map<CompanyId, Role>();
    for (const membership of row.memberships) {
      const state = { kind: "membership", ...membership, userId: row.id } as const;
      if (await authentic.accepts(state, membership)) {
        roles.set(companyIdOf({ id: membership.companyId }), membership.role);
      }
    }
    return { actor: { kind: "user", id: row.id, roles }, endsAt: Infinity, networks: null };
  };

  const cached = (
    among: Cache<Finding>,
    name: string,
    find: () => Promise<Finding | undefined>,
  ): Promise<Finding | undefined> => among.get({ owner: "", name, source: "database" }, find);

  /** @returns what the audit log calls somebody who is refused, and who it is otherwise */
  const find = async ({
    credential,
    headers,
    address,
  }: AuthenticationRequest): Promise<{ readonly name: string; readonly finding?: Finding | undefined }> => {
    if (credential !== undefined) {
      const presented = parseCredential(credential);
      if (presented === undefined) return { name: "none" };
      // Guesses have no end, and must not take the connections of those who are right.
      const inTurn = (look: () => Promise<Finding | undefined>): Promise<Finding | undefined> =>
        limits.isGuessing(address) ? database.inShareOf("guesses", look) : look();
      const finding =
        presented.kind === "tsk"
          ? cached(findings, presented.hash, () => inTurn(() => findService(presented)))
          : cached(ofOperators, presented.hash, () => inTurn(() => findOperator(presented)));
      return { name: presented.prefix, finding: await finding };
    }
    const userId = headers === undefined ? undefined : await signIn?.(headers);
    if (userId === undefined) return { name: "none" };
    return { name: userId, finding: await cached(findings, `user ${userId}`, () => findUser(userId)) };
  };

  const authenticate: Authenticate = async (request) => {
    const { requestId, address } = request;
    const { name, finding } = await find(request);
    if (finding !== undefined && counts(finding, address)) {
      return { actor: finding.actor, requestId, address };
    }
    // A credential that was not sent is no guess.
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

function counts({ endsAt, networks }: Finding, address: string | undefined): boolean {
  return performance.now() < endsAt && (networks === null || isInNetworks(networks, address));
}

function companiesOf(actor: Actor): number {
  if (actor.kind === "service") return actor.companyIds.length;
  return actor.kind === "user" ? actor.roles.size : 0;
}

/** Compared with where there is no row, so that an unknown prefix takes as long as a wrong secret. */
const noHash = "0".repeat(64);

function serviceOf(row: ApiKeyRow): ServiceActor {
  const ids = row.companyId === null ? row.companyIds : [row.companyId];
  return {
    kind: "service",
    id: row.id,
    companyIds: ids.map((id) => companyIdOf({ id })),
    // A verb that this release does not know grants nothing.
    grant: {
      verbs: row.verbs.flatMap((verb) => ApiKeyVerb.safeParse(verb).data ?? []),
      secretKeys: row.keyPatterns,
    },
  };
}
