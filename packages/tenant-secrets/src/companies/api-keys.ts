import { randomUUID } from "node:crypto";
import { and, desc, eq, type SQL } from "drizzle-orm";
import { tables } from "@repo/db";
import { z } from "zod";
import {
  type ApiKeyDescription,
  type ApiKeyRotation,
  ApiKeyVerb,
  type Caller,
  type CreatedApiKey,
  displayNameRule,
  isDisplayName,
  type NewApiKey,
  notFound,
  type RotatedApiKey,
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
import {
  describeApiKey,
  endAfter,
  endUnclaimed,
  insertApiKey,
  ofCompany,
  revocationOf,
  revokeApiKeys,
  selectMakerNames,
  selectPlatformSubdomains,
} from "./api-key-rows.ts";
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
  /**
   * Makes a key with the same name, verbs, secret keys, companies and addresses, valid for as long as the old one was made for.
   * The old one ends with the window, or at its own end if that is earlier.
   *
   * @returns the new key, shown this once, and when the old one ends
   * @throws {TenantSecretsError} as `create`; CONFLICT if the old key has ended
   */
  rotate(caller: Caller, company: string, rotation: ApiKeyRotation): Promise<RotatedApiKey>;
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
      return operations.change(change, async (transaction) => {
        checkNewApiKey(key);
        const { text, prefix, hash } = makeCredential("tsk");
        const made = {
          id: randomUUID(),
          companyId: key.platform ? null : (company?.id ?? null),
          name: key.name,
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
        const row = await insertApiKey(transaction, made, key.platform ? companyIds : []);
        const description = describeApiKey(
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
          const makers = { companyId: company.id, withOperators: seesAll };
          const makerOf = await selectMakerNames(statements, rows, makers);
          const keys = rows.map((row) => {
            const entered = subdomains?.get(row.id) ?? [company.subdomain];
            const { prefix, ...description } = describeApiKey(row, entered, makerOf(row));
            return seesAll || !description.platform ? { ...description, prefix } : description;
          });
          return audited(keys, {});
        }),
      );
    },

    rotate: async (caller, subdomain, { id, graceSeconds, requestId }) => {
      const subject = z.uuid().safeParse(id).data;
      const operation = await resolve({ caller, action: "api-key.rotate", subject }, subdomain);
      const { company } = operation;
      let nextExpiresAt: Date | undefined;
      const atEachRetry: Change<RotatedApiKey>["atEachRetry"] = {
        requestId,
        asked: { company: subdomain, id, graceSeconds },
        idOf: ({ description }) => description.id,
        undo: async (transaction, made) => {
          const lost = await endUnclaimed(transaction, made);
          nextExpiresAt = lost.expiresAt;
          return [revocationOf(lost)];
        },
      };
      const guard = ({ statements }: Transaction) => requireActiveCaller(statements, caller, company);
      return operations.change({ ...operation, guard, atEachRetry }, async (transaction) => {
        if (subject === undefined) throw notFound();
        const which = and(eq(tables.apiKeys.id, subject), reachableFor(caller, company));
        const old = await endAfter(transaction, which, { graceSeconds, nextExpiresAt });
        const { text, prefix, hash } = makeCredential("tsk");
        const { companyId, name, verbs, keyPatterns, addresses, expiresAt } = old;
        const made = {
          id: randomUUID(),
          companyId,
          name,
          prefix,
          hash,
          verbs,
          keyPatterns,
          addresses,
          expiresAt,
          createdByKind: caller.actor.kind,
          createdById: caller.actor.id,
          revokedAt: null,
        };
        const row = await insertApiKey(transaction, made, old.companyIds);
        const subdomains = await selectPlatformSubdomains(transaction.statements, [row]);
        const seesAll = permitsOnPlatform(caller.actor, "members");
        const entered = (seesAll ? subdomains.get(row.id) : undefined) ?? [company.subdomain];
        const answer = { apiKey: text, description: describeApiKey(row, entered), oldEndsAt: old.endsAt };
        return audited(answer, [
          { companyId: companyId ?? company.id, version: old.revision },
          {
            action: "api-key.create",
            companyId: companyId ?? company.id,
            subject: row.id,
            version: row.revision,
          },
        ]);
      });
    },

    revoke: async (caller, subdomain, id) => {
      const subject = z.uuid().safeParse(id).data;
      const operation = await resolve({ caller, action: "api-key.revoke", subject }, subdomain);
      const { company } = operation;
      const reachable = reachableFor(caller, company);
      await operations.change(operation, async (transaction) => {
        if (subject === undefined) throw notFound();
        const [key] = await revokeApiKeys(transaction, and(eq(tables.apiKeys.id, subject), reachable));
        if (key === undefined) throw notFound();
        return audited(undefined, { version: key.revision });
      });
    },
  };
}

/** A platform key affects other companies too, so only operators may change it. */
function reachableFor({ actor }: Caller, { id }: Company): SQL {
  return permitsOnPlatform(actor, "members") ? ofCompany(id) : eq(tables.apiKeys.companyId, id);
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
