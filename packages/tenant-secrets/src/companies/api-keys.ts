import { randomUUID } from "node:crypto";
import { and, asc, desc, eq, inArray, isNull, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { z } from "zod";
import { apiKeyState, selectKeyCompanies } from "@repo/audit-log";
import {
  type ApiKeyDescription,
  ApiKeyVerb,
  type Caller,
  type CreatedApiKey,
  displayNameRule,
  isDisplayName,
  type NewApiKey,
  notFound,
  SecretKeyPattern,
  TenantSecretsError,
} from "@repo/catalog";
import {
  audited,
  type Change,
  type EventDetails,
  type Operation,
  type Operations,
  type Transaction,
} from "../access/operation.ts";
import { permitsOnPlatform } from "../access/permissions.ts";
import { canonicalNetwork } from "./addresses.ts";
import type { Companies, Company } from "./companies.ts";
import { makeCredential } from "./credential.ts";
import { requireActiveCaller } from "./active-caller.ts";

/**
 * API keys. A company's owners and admins create keys for it, with no verb that they lack themselves. Operators create platform
 * keys, and a company's keys while it has no owner or admin: those have verbs that an operator lacks, so each creation is
 * audited.
 */
export interface ApiKeys {
  /**
   * @returns the key, shown this once, and its description
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND for a company, INVALID_INPUT; CONFLICT for a retry, if the key of the
   *   first attempt has been used or revoked since
   */
  create(caller: Caller, key: NewApiKey): Promise<CreatedApiKey>;
  /**
   * Lists a company's own keys and the platform keys that may enter it. Only operators see which other companies those enter.
   */
  list(caller: Caller, company: string): Promise<readonly ApiKeyDescription[]>;
  /** Revokes a key at once. Idempotent. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  revoke(caller: Caller, company: string, id: string): Promise<void>;
}

const longestLifeMs = 366 * 24 * 3600 * 1000;

const toManage = { verb: "members", to: "manage API keys" } as const;

export function createApiKeys(operations: Operations, companies: Pick<Companies, "resolve">): ApiKeys {
  const resolve = async (asked: Pick<Operation, "caller" | "action" | "subject">, subdomain: string) => {
    const { company } = await companies.resolve(asked, subdomain);
    return { ...asked, company, ...toManage };
  };

  return {
    create: async (caller, key) => {
      const action = "api-key.create";
      if (key.platform) {
        await operations.authorize({ caller, action, verb: "members", to: "make platform keys" });
      }
      const entered: Company[] = [];
      for (const subdomain of new Set(key.companies)) {
        const operation = await resolve({ caller, action }, subdomain);
        await operations.authorize(operation);
        entered.push(operation.company);
      }
      const [company] = entered;
      const companyIds = entered.map(({ id }) => id);
      const ofEach = (event: EventDetails) => companyIds.map((companyId) => ({ ...event, companyId }));
      const { requestId, expiresAt, ...asked } = key;
      const change: Change<CreatedApiKey> = {
        caller,
        action,
        company,
        guard: ({ statements }) =>
          requireActiveCaller(statements, caller, key.platform ? undefined : company),
        atEachRetry: {
          requestId,
          asked,
          idOf: ({ description }) => description.id,
          undo: async (transaction, id) => ofEach(revocationOf(await endUnclaimed(transaction, id))),
        },
      };
      return operations.change(change, async ({ statements, writer }) => {
        checkNewApiKey(key);
        const { text, prefix, hash } = makeCredential("tsk");
        const made = {
          id: randomUUID(),
          companyId: key.platform ? null : (company?.id ?? null),
          prefix,
          hash,
          verbs: [...new Set(key.verbs)],
          keyPatterns: [...new Set(key.secretKeys)],
          addresses: key.addresses === undefined ? null : [...new Set(key.addresses.map(canonical))],
          createdByKind: caller.actor.kind,
          createdById: caller.actor.id,
          expiresAt,
          revokedAt: null,
        };
        const beside = await writer.seal(apiKeyState(made, key.platform ? companyIds : []));
        const [row] = await statements
          .insert(tables.apiKeys)
          .values({ ...made, ...beside, name: key.name })
          .returning();
        if (row === undefined) throw new Error("an insert returned no row");
        if (key.platform) {
          await statements
            .insert(tables.apiKeyCompanies)
            .values(companyIds.map((companyId) => ({ companyId, apiKeyId: row.id })));
        }
        const description = describe(
          row,
          entered.map(({ subdomain }) => subdomain),
        );
        return audited({ apiKey: text, description }, ofEach({ subject: row.id, version: row.revision }));
      });
    },

    list: async (caller, subdomain) => {
      const operation = await resolve({ caller, action: "api-key.list" }, subdomain);
      const { company } = operation;
      const seesAll = permitsOnPlatform(caller.actor, "members");
      return operations.read(operation, (across) =>
        across(async (statements) => {
          const rows = await statements
            .select()
            .from(tables.apiKeys)
            .where(ofCompany(company.id))
            .orderBy(desc(tables.apiKeys.createdAt));
          const subdomains = seesAll ? await selectPlatformSubdomains(statements, rows) : undefined;
          const keys = rows.map((row) => {
            const { prefix, ...description } = describe(row, subdomains?.get(row.id) ?? [company.subdomain]);
            return seesAll || !description.platform ? { ...description, prefix } : description;
          });
          return audited(keys, {});
        }),
      );
    },

    revoke: async (caller, subdomain, id) => {
      const subject = z.uuid().safeParse(id).data;
      const operation = await resolve({ caller, action: "api-key.revoke", subject }, subdomain);
      const { company } = operation;
      // A platform key affects other companies too, so only operators may revoke it.
      const reachable = permitsOnPlatform(caller.actor, "members")
        ? ofCompany(company.id)
        : eq(tables.apiKeys.companyId, company.id);
      await operations.change(operation, async (transaction) => {
        if (subject === undefined) throw notFound();
        const [key] = await revokeApiKeys(transaction, and(eq(tables.apiKeys.id, subject), reachable));
        if (key === undefined) throw notFound();
        return audited(undefined, { version: key.revision });
      });
    },
  };
}

/** Revokes a key whose answer was lost. @throws {TenantSecretsError} CONFLICT if it was used or revoked meanwhile */
async function endUnclaimed(transaction: Transaction, id: string): Promise<RevokedApiKey> {
  const { apiKeys } = tables;
  const unclaimed = and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt), isNull(apiKeys.lastUsedAt));
  const [ended] = await revokeApiKeys(transaction, unclaimed);
  if (ended !== undefined) return ended;
  throw new TenantSecretsError(
    "CONFLICT",
    `This request made the API key ${id}, which was used or revoked since: send a new id to make another one.`,
  );
}

interface RevokedApiKey {
  readonly id: string;
  readonly companyId: string | null;
  readonly revision: number;
}

/** The event of a revocation, in the key's company. */
export function revocationOf({ id, companyId, revision }: RevokedApiKey) {
  return {
    action: "api-key.revoke",
    companyId: companyId ?? undefined,
    subject: id,
    version: revision,
  } as const;
}

/**
 * Revokes API keys in the order of their ids. A revoked key stays unchanged. A key whose row is not genuine is revoked too, and
 * gets no MAC.
 *
 * @param most the maximum number of keys
 */
export async function revokeApiKeys(
  { statements, writer }: Transaction,
  which: SQL | undefined,
  most = 1,
): Promise<readonly RevokedApiKey[]> {
  const { apiKeys } = tables;
  const rows = await statements
    .select()
    .from(apiKeys)
    .where(which)
    .orderBy(asc(apiKeys.id))
    .limit(most)
    .for("no key update");
  const revoked = [];
  for (const row of rows) {
    const { id, companyId, revision } = row;
    const state = apiKeyState(row, companyId === null ? await selectKeyCompanies(statements, id) : []);
    const isGenuine = writer.isGenuine(state, row);
    if (isGenuine && state.revoked) {
      revoked.push({ id, companyId, revision });
      continue;
    }
    const beside = await writer.close({ ...state, revoked: true }, isGenuine);
    await statements
      .update(apiKeys)
      .set({ revokedAt: sql`coalesce(${apiKeys.revokedAt}, now())`, ...beside })
      .where(eq(apiKeys.id, id));
    revoked.push({ id, companyId, revision: beside.revision });
  }
  return revoked;
}

function ofCompany(companyId: string) {
  return sql`(${tables.apiKeys.companyId} = ${companyId} or exists (select from ${tables.apiKeyCompanies} where ${tables.apiKeyCompanies.apiKeyId} = ${tables.apiKeys.id} and ${tables.apiKeyCompanies.companyId} = ${companyId}))`;
}

/** The subdomains that platform keys may enter, by key id. Deleted companies are left out. */
export async function selectPlatformSubdomains(
  statements: Statements,
  rows: readonly (typeof tables.apiKeys.$inferSelect)[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const ids = rows.filter((row) => row.companyId === null).map((row) => row.id);
  if (ids.length === 0) return new Map();
  const links = await statements
    .select({ apiKeyId: tables.apiKeyCompanies.apiKeyId, subdomain: tables.companies.subdomain })
    .from(tables.apiKeyCompanies)
    .innerJoin(tables.companies, eq(tables.companies.id, tables.apiKeyCompanies.companyId))
    .where(and(inArray(tables.apiKeyCompanies.apiKeyId, ids), isNull(tables.companies.deletedAt)))
    .orderBy(tables.companies.subdomain);
  return new Map(
    ids.map((id) => [id, links.filter((link) => link.apiKeyId === id).map((link) => link.subdomain)]),
  );
}

function describe(row: typeof tables.apiKeys.$inferSelect, subdomains: readonly string[]): ApiKeyDescription {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    platform: row.companyId === null,
    companies: subdomains,
    verbs: row.verbs,
    secretKeys: row.keyPatterns,
    addresses: row.addresses ?? undefined,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    lastUsedAt: row.lastUsedAt ?? undefined,
    revokedAt: row.revokedAt ?? undefined,
  };
}

/** @throws {TenantSecretsError} INVALID_INPUT */
function canonical(network: string): string {
  const known = canonicalNetwork(network);
  if (known !== undefined) return known;
  throw refused(
    "its addresses are IP addresses such as 192.0.2.1, or networks such as 192.0.2.0/24 or 2001:db8::/32",
  );
}

function refused(rule: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", `The API key was refused: ${rule}.`);
}

function checkNewApiKey(key: NewApiKey): void {
  if (!isDisplayName(key.name)) throw refused(`its name has ${displayNameRule}`);
  if (key.companies.length === 0) throw refused("it names no company");
  if (!key.platform && key.companies.length > 1)
    throw refused("only a platform key may enter several companies");
  if (key.verbs.length === 0)
    throw refused("it has no verb; choose from describe, use, write, delete, export");
  if (key.verbs.some((verb) => !ApiKeyVerb.safeParse(verb).success)) throw refused("a verb is unknown");
  const patterns = key.secretKeys.every((pattern) => SecretKeyPattern.safeParse(pattern).success);
  if (key.secretKeys.length === 0 || !patterns) {
    throw refused("its secret keys are names such as STRIPE_SECRET_KEY, beginnings such as STRIPE_*, or *");
  }
  if (key.addresses?.length === 0)
    throw refused("its list of addresses is empty, so that it could never be used");
  key.addresses?.forEach(canonical);
  const lifeMs = key.expiresAt.getTime() - Date.now();
  if (!(lifeMs > 0 && lifeMs <= longestLifeMs))
    throw refused("it expires in the future, at most 366 days from now");
}
