import { randomUUID } from "node:crypto";
import { asc, eq, sql, type SQL } from "drizzle-orm";
import { z } from "zod";
import { tables, type Statements } from "@repo/db";
import { type AuditLog, operatorState } from "@repo/audit-log";
import { type Caller, displayNameRule, isDisplayName, notFound, TenantSecretsError } from "@repo/catalog";
import { perform, type Attempt } from "../access/attempt.ts";
import type { AuthenticRows, RowWriter } from "./authentic-rows.ts";
import { makeCredential } from "./credential.ts";
import { keysOfMaker, type MadeKeys, type MakerLeaves } from "./made-keys.ts";

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
  /**
   * Ends a token at once. Ending one that has ended changes nothing more.
   *
   * @returns the API keys that were made with it and that still counted
   * @throws {TenantSecretsError} NOT_FOUND
   */
  revoke(caller: Caller, id: string, options?: MakerLeaves): Promise<MadeKeys>;
}

const longestLifeMs = 366 * 24 * 3600 * 1000;

export function createOperators(authentic: AuthenticRows, audit: AuditLog): Operators {
  const recorded = <T>(
    attempt: Attempt,
    work: (statements: Statements, writer: RowWriter) => Promise<T>,
  ): Promise<T> => perform(audit, attempt, () => authentic.change(work));

  return {
    create: (caller, name, expiresAt) => {
      const { text, prefix, hash } = makeCredential("tso");
      return recorded({ caller, action: "operator.create", changes: true }, async (statements, writer) => {
        checkNewOperator(name, expiresAt);
        const made = { id: randomUUID(), tokenPrefix: prefix, tokenHash: hash, expiresAt, revokedAt: null };
        const beside = await writer.seal(operatorState(made));
        await statements.insert(tables.operators).values({ ...made, ...beside, name });
        await audit.addTo(statements, caller, {
          action: "operator.create",
          outcome: "allowed",
          subject: made.id,
          version: beside.revision,
        });
        return { id: made.id, token: text };
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

    revoke: (caller, id, { revokeApiKeys: revoke } = {}) => {
      const subject = z.uuid().safeParse(id).data;
      return recorded(
        { caller, action: "operator.revoke", subject, changes: true },
        async (statements, writer) => {
          if (subject === undefined) throw notFound();
          const [row] = await revokeOperators({ statements, writer }, eq(tables.operators.id, subject));
          if (row === undefined) throw notFound();
          await audit.addTo(statements, caller, {
            action: "operator.revoke",
            outcome: "allowed",
            subject,
            version: row.revision,
          });
          const maker = { kind: "operator", id: subject, revoke } as const;
          return keysOfMaker({ statements, writer, audit }, caller, maker);
        },
      );
    },
  };
}

/** As `revokeApiKeys`. */
export async function revokeOperators(
  { statements, writer }: { readonly statements: Statements; readonly writer: RowWriter },
  which: SQL | undefined,
  most = 1,
): Promise<readonly { readonly id: string; readonly revision: number }[]> {
  const { operators } = tables;
  const rows = await statements
    .select()
    .from(operators)
    .where(which)
    .orderBy(asc(operators.id))
    .limit(most)
    .for("no key update");
  const revoked = [];
  for (const row of rows) {
    const { id, revision } = row;
    const state = operatorState(row);
    const isGenuine = writer.isGenuine(state, row);
    if (isGenuine && state.revoked) {
      revoked.push({ id, revision });
      continue;
    }
    const beside = await writer.close({ ...state, revoked: true }, isGenuine);
    await statements
      .update(operators)
      .set({ revokedAt: sql`coalesce(${operators.revokedAt}, now())`, ...beside })
      .where(eq(operators.id, id));
    revoked.push({ id, revision: beside.revision });
  }
  return revoked;
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
