import { tables, type Database } from "@repo/db";
import type { AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { makeCredential } from "./credential.ts";

export interface Operators {
  /**
   * Makes an operator. Asks for no permission: whoever holds the maintenance connection can do what an operator can,
   * and the first one has to come from somewhere. No procedure of the API leads here.
   *
   * @returns the token, this once
   * @throws {TenantSecretsError} INVALID_INPUT
   */
  create(
    caller: Caller,
    name: string,
    expiresAt: Date,
  ): Promise<{ readonly id: string; readonly token: string }>;
}

export function createOperators(database: Database, audit: AuditLog): Operators {
  return {
    create: async (caller, name, expiresAt) => {
      if (name.trim() === "" || name.length > 100) {
        throw new TenantSecretsError("INVALID_INPUT", "An operator's name has 1 to 100 characters.");
      }
      if (!(expiresAt.getTime() > Date.now())) {
        throw new TenantSecretsError("INVALID_INPUT", "An operator's token expires in the future.");
      }
      const { text, prefix, hash } = makeCredential("tso");
      await audit.ready();
      const id = await onDatabase(() =>
        database.acrossCompanies(async (statements) => {
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
          return row.id;
        }),
      );
      return { id, token: text };
    },
  };
}
