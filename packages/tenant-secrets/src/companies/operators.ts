import { asc, eq, sql } from "drizzle-orm";
import { z } from "zod";
import { tables, type Database, type Statements } from "@repo/db";
import { perform, type Attempt } from "../access/attempt.ts";
import type { AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { notFound, TenantSecretsError } from "../vocabulary/errors.ts";
import { displayNameRule, isDisplayName } from "../vocabulary/names.ts";
import { makeCredential } from "./credential.ts";

export interface OperatorDescription {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly revokedAt: Date | undefined;
}

/**
 * Who runs the platform. Nothing here asks for a permission, and no procedure of the API leads here: whoever holds the
 * maintenance connection can do what an operator can, and the first one has to come from somewhere.
 */
export interface Operators {
  /**
   * @param expiresAt at most 366 days from now
   * @returns the token, this once
   * @throws {TenantSecretsError} INVALID_INPUT
   */
  create(
    caller: Caller,
    name: string,
    expiresAt: Date,
  ): Promise<{ readonly id: string; readonly token: string }>;
  list(caller: Caller): Promise<readonly OperatorDescription[]>;
  /** Ends a token at once. Ending one that has ended changes nothing. @throws {TenantSecretsError} NOT_FOUND */
  revoke(caller: Caller, id: string): Promise<void>;
}

const longestLifeMs = 366 * 24 * 3600 * 1000;

export function createOperators(database: Database, audit: AuditLog): Operators {
  const recorded = <T>(attempt: Attempt, work: (statements: Statements) => Promise<T>): Promise<T> =>
    perform(audit, attempt, async () => {
      await audit.ready();
      return onDatabase(() => database.acrossCompanies(work));
    });

  return {
    create: (caller, name, expiresAt) => {
      const { text, prefix, hash } = makeCredential("tso");
      return recorded({ caller, action: "operator.create", changes: true }, async (statements) => {
        checkNewOperator(name, expiresAt);
        const [row] = await statements
          .insert(tables.operators)
          .values({ name, tokenPrefix: prefix, tokenHash: hash, expiresAt })
          .returning({ id: tables.operators.id });
        if (row === undefined) throw new Error("an insert returned no row");
        await audit.addTo(statements, caller, {
          action: "operator.create",
          outcome: "allowed",
          subject: row.id,
        });
        return { id: row.id, token: text };
      });
    },

    list: async (caller) => {
      const rows = await recorded({ caller, action: "operator.list" }, (statements) =>
        statements.select().from(tables.operators).orderBy(asc(tables.operators.createdAt)),
      );
      await audit.add(caller, { action: "operator.list", outcome: "allowed" });
      return rows.map(({ id, name, tokenPrefix, createdAt, expiresAt, revokedAt }) => ({
        id,
        name,
        prefix: tokenPrefix,
        createdAt,
        expiresAt,
        revokedAt: revokedAt ?? undefined,
      }));
    },

    revoke: (caller, id) => {
      const subject = z.uuid().safeParse(id).data;
      return recorded({ caller, action: "operator.revoke", subject, changes: true }, async (statements) => {
        if (subject === undefined) throw notFound();
        const [row] = await statements
          .update(tables.operators)
          .set({ revokedAt: sql`coalesce(${tables.operators.revokedAt}, now())` })
          .where(eq(tables.operators.id, subject))
          .returning({ id: tables.operators.id });
        if (row === undefined) throw notFound();
        await audit.addTo(statements, caller, { action: "operator.revoke", outcome: "allowed", subject });
      });
    },
  };
}

function checkNewOperator(name: string, expiresAt: Date): void {
  const refused = (rule: string) =>
    new TenantSecretsError("INVALID_INPUT", `The operator was refused: ${rule}.`);
  if (!isDisplayName(name)) throw refused(`a name has ${displayNameRule}`);
  const lifeMs = expiresAt.getTime() - Date.now();
  if (!(lifeMs > 0 && lifeMs <= longestLifeMs)) {
    throw refused("its token expires in the future, at most 366 days from now");
  }
}
