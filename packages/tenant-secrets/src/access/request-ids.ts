import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { type Caller, TenantSecretsError } from "@repo/catalog";

/** The time before which requests are forgotten, as SQL: 24 hours ago. */
export const forgottenBefore = sql`now() - interval '24 hours'`;

/** The columns that identify an actor, in every table that has them. */
export interface ActorColumns {
  readonly actorKind: string;
  readonly actorId: string;
}

export function actorColumns({ actor }: Caller): ActorColumns {
  return { actorKind: actor.kind, actorId: actor.id };
}

/**
 * A digest of a request's content, to tell a retry from another request. Not for values: a plain digest does not protect them.
 */
export function digestOf(...asked: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(asked)).digest("base64url");
}

/** A request's options in a fixed order, without the undefined ones, for a digest or a MAC. */
export function canonical(options: object): string {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return JSON.stringify(given.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** @throws {TenantSecretsError} INVALID_INPUT */
export function checkRequestId(requestId: string | undefined): void {
  if (requestId === undefined || /^[\x21-\x7e]{1,100}$/.test(requestId)) return;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    "The request was refused: requestId has 1 to 100 visible ASCII characters.",
    { fields: ["requestId"] },
  );
}

export function requestIdTaken(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "This request id was used for another change within the last 24 hours: send a new id.",
  );
}
