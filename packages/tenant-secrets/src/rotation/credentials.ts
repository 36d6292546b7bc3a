import { and, eq, inArray, isNotNull, ne, not, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { markerOf } from "./drivers/marker.ts";
import { type RotationStep, secondMs } from "./rotation-state.ts";

const { rotationCredentials } = tables;

export type CredentialRow = typeof rotationCredentials.$inferSelect;
type State = CredentialRow["state"];

/** Writes down that the provider is about to be asked for a credential, or what became of it. */
export async function putCredential(
  statements: Statements,
  { run, input, facts }: Pick<RotationStep, "run" | "input" | "facts">,
  changes: { readonly state: State; readonly ref?: string | null; readonly version?: number },
): Promise<void> {
  const marker = markerOf(run.id, facts.attempt);
  await statements
    .insert(rotationCredentials)
    .values({ companyId: input.companyId, secretKey: input.secretKey, marker, runId: run.id, ...changes })
    .onConflictDoUpdate({
      target: [rotationCredentials.companyId, rotationCredentials.secretKey, rotationCredentials.marker],
      set: { ...changes, updatedAt: sql`now()` },
    });
}

interface OfSecret {
  readonly companyId: string;
  readonly secretKey: string;
}

function ofSecret({ companyId, secretKey }: OfSecret): SQL | undefined {
  return and(eq(rotationCredentials.companyId, companyId), eq(rotationCredentials.secretKey, secretKey));
}

/** A credential that is not known to have ended, by what it is called at the provider. */
export async function findCredential(
  statements: Statements,
  secret: OfSecret,
  marker: string,
): Promise<CredentialRow | undefined> {
  const [row] = await statements
    .select()
    .from(rotationCredentials)
    .where(
      and(ofSecret(secret), eq(rotationCredentials.marker, marker), ne(rotationCredentials.state, "retired")),
    );
  return row;
}

/** One that was made here, ended or not, by what it is called at the provider. */
export async function lockCredential(
  statements: Statements,
  secret: OfSecret,
  marker: string,
): Promise<CredentialRow | undefined> {
  const [row] = await statements
    .select()
    .from(rotationCredentials)
    .where(and(ofSecret(secret), eq(rotationCredentials.marker, marker)))
    .for("update");
  return row;
}

/**
 * The credentials of a secret that were made here, may still be there, and whose value no active version has: neither the current
 * one, nor a pending one, nor one inside its grace window. A version that was written again under another number has it, too.
 */
export async function findEnded(statements: Statements, secret: OfSecret): Promise<readonly CredentialRow[]> {
  const isActive = sql`exists (
    select from company_secrets h
    join company_secret_versions a on a.company_id = h.company_id and a.secret_key = h.secret_key
    join company_secret_versions v on v.company_id = h.company_id and v.secret_key = h.secret_key
      and v.version = ${rotationCredentials.version}
    where h.company_id = ${rotationCredentials.companyId} and h.secret_key = ${rotationCredentials.secretKey}
      and h.deleted_at is null
      and (a.version = v.version or a.fingerprint = v.fingerprint)
      and (a.version = h.current_version or a.version = h.pending_version
        or exists (select from jsonb_to_recordset(h.grace_windows) as w(version integer, until timestamptz)
          where w.version = a.version and w.until > now())))`;
  return statements
    .select()
    .from(rotationCredentials)
    .where(
      and(
        ofSecret(secret),
        inArray(rotationCredentials.state, ["live", "retiring"]),
        isNotNull(rotationCredentials.ref),
        not(isActive),
      ),
    )
    .orderBy(rotationCredentials.createdAt);
}

/** What a run has made may be left at the provider, and is listed with its policy. @param state those of this state alone */
export async function orphanMade(
  statements: Statements,
  { run, input }: Pick<RotationStep, "run" | "input">,
  state?: State,
): Promise<void> {
  await statements
    .update(rotationCredentials)
    .set({ state: "orphan", updatedAt: sql`now()` })
    .where(
      and(
        ofSecret(input),
        eq(rotationCredentials.runId, run.id),
        state === undefined ? ne(rotationCredentials.state, "retired") : eq(rotationCredentials.state, state),
      ),
    );
}

/** The provider's ids of what a run has made, and what is in use. */
export async function findMade(
  statements: Statements,
  { run, input }: Pick<RotationStep, "run" | "input">,
): Promise<readonly string[]> {
  const rows = await statements
    .select({ ref: rotationCredentials.ref })
    .from(rotationCredentials)
    .where(
      and(ofSecret(input), eq(rotationCredentials.runId, run.id), eq(rotationCredentials.state, "live")),
    );
  return rows.flatMap(({ ref }) => (ref === null ? [] : [ref]));
}

/** What a run asked the provider for, and of which it is not known what came. */
function notKnown({ run, input }: Pick<RotationStep, "run" | "input">): SQL | undefined {
  return and(
    ofSecret(input),
    eq(rotationCredentials.runId, run.id),
    inArray(rotationCredentials.state, ["wanted", "orphan"]),
  );
}

/**
 * Whether the provider was asked for a credential of a run within this time, and what came of it is not known.
 *
 * @param ms milliseconds
 */
export async function wasJustAsked(
  statements: Statements,
  step: Pick<RotationStep, "run" | "input">,
  ms: number,
): Promise<boolean> {
  const rows = await statements
    .select({ marker: rotationCredentials.marker })
    .from(rotationCredentials)
    .where(
      and(
        notKnown(step),
        sql`${rotationCredentials.updatedAt} > now() - make_interval(secs => ${ms / secondMs})`,
      ),
    )
    .limit(1);
  return rows.length > 0;
}

/** The provider has nothing of a run's any more but what is in use. */
export async function retireLeft(
  statements: Statements,
  step: Pick<RotationStep, "run" | "input">,
): Promise<void> {
  await statements
    .update(rotationCredentials)
    .set({ state: "retired", updatedAt: sql`now()` })
    .where(notKnown(step));
}

export async function changeCredential(
  statements: Statements,
  { companyId, secretKey, marker }: Pick<CredentialRow, "companyId" | "secretKey" | "marker">,
  state: State,
): Promise<void> {
  await statements
    .update(rotationCredentials)
    .set({ state, updatedAt: sql`now()` })
    .where(and(ofSecret({ companyId, secretKey }), eq(rotationCredentials.marker, marker)));
}
