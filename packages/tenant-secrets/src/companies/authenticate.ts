import { LRUCache } from "lru-cache";
import { findApiKeyRow, findOperatorRow, touchApiKey, type ApiKeyRow, type Database } from "@repo/db";
import type { AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import { ApiKeyVerb, type Actor, type Caller, type ServiceActor } from "../vocabulary/actor.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { companyIdOf } from "./company-id.ts";
import { parseCredential, sameHash, type PresentedCredential } from "./credential.ts";

/** Where a request came from, for the record. */
export interface RequestOrigin {
  readonly requestId?: string | undefined;
  readonly address?: string | undefined;
}

/**
 * Finds who a credential belongs to.
 *
 * @param credential an API key or an operator's token; undefined where none was sent
 * @throws {TenantSecretsError} UNAUTHENTICATED, one text for a missing, malformed, unknown, expired and revoked one
 */
export type Authenticate = (credential: string | undefined, origin: RequestOrigin) => Promise<Caller>;

export function createAuthenticate(database: Database, audit: AuditLog): Authenticate {
  const touched = new LRUCache<string, true>({ max: 10_000, ttl: 60_000 });
  return async (credential, origin) => {
    const presented = credential === undefined ? undefined : parseCredential(credential);
    const actor =
      presented === undefined ? undefined : await onDatabase(() => findActor(database, presented));
    if (actor?.kind === "service" && !touched.has(actor.id)) {
      touched.set(actor.id, true);
      await onDatabase(() => touchApiKey(database, actor.id));
    }
    if (actor !== undefined) return { actor, ...origin };
    await audit.add(
      { actor: { kind: "anonymous", id: presented?.prefix ?? "none" }, ...origin },
      { action: "credential.check", outcome: "refused", reason: "UNAUTHENTICATED" },
    );
    throw new TenantSecretsError(
      "UNAUTHENTICATED",
      "Send an API key or an operator's token that is neither expired nor revoked, as: authorization: Bearer …",
    );
  };
}

/** Compared with where there is no row, so that an unknown prefix takes as long as a wrong secret. */
const noHash = "0".repeat(64);

async function findActor(database: Database, presented: PresentedCredential): Promise<Actor | undefined> {
  if (presented.kind === "tso") {
    const row = await findOperatorRow(database, presented.prefix);
    const matches = sameHash(presented.hash, row?.tokenHash ?? noHash);
    return row !== undefined && matches && row.valid ? { kind: "operator", id: row.id } : undefined;
  }
  const row = await findApiKeyRow(database, presented.prefix);
  const matches = sameHash(presented.hash, row?.hash ?? noHash);
  // A list of addresses is not checked yet, so a key that has one is good for none.
  return row !== undefined && matches && row.valid && row.addresses === null ? serviceOf(row) : undefined;
}

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
