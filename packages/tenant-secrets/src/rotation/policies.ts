import { and, desc, eq, inArray, isNotNull, isNull, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import {
  type Caller,
  type Catalog,
  type CompanyId,
  forbidden,
  jsonSchemaOf,
  notFound,
  parseJson,
  RotationReason,
  type RotationPolicyDescription,
  type RotationPolicyInput,
  type RotationPolicyList,
  type RotationRunDescription,
  type RotationRunDetails,
  type RotationRunQuery,
  RotationSchedule,
  SecretKey,
  TenantSecretsError,
} from "@repo/catalog";
import { audited, type Operation, type Operations } from "../access/operation.ts";
import { permits, refusal } from "../access/permissions.ts";
import type { Companies, Company } from "../companies/companies.ts";
import { secretSubject } from "../runs/definition.ts";
import type { RotationDriver, RotationDrivers } from "./drivers/driver.ts";
import { getDriver, parseSettings } from "./drivers/drivers.ts";
import { dueOf, findCurrentVersion, type PolicyRow } from "./policy-due.ts";
import { startRotation } from "./begin.ts";
import type { RotationRun } from "./rotation-run.ts";
import { describeInDetail } from "./run-details.ts";
import { describeRotation } from "./run-words.ts";
import { checkSchedule } from "./schedule-rules.ts";

const { rotationCredentials, rotationPolicies, runs } = tables;

export interface SecretName {
  readonly company: string;
  readonly secretKey: string;
}

/**
 * How secrets are rotated, and when. Each method throws FORBIDDEN, and NOT_FOUND for a company or a policy that is not there or not
 * the caller's.
 */
export interface Policies {
  list(caller: Caller, company: string): Promise<RotationPolicyList>;
  /**
   * @throws {TenantSecretsError} INVALID_INPUT; NOT_SUPPORTED for a company on Infisical, and for a driver that is not there;
   *   UNKNOWN_SECRET_KEY; NOT_FOUND for a secret without a value
   */
  set(caller: Caller, policy: RotationPolicyInput): Promise<RotationPolicyDescription>;
  remove(caller: Caller, name: SecretName): Promise<void>;
  pause(caller: Caller, name: SecretName): Promise<RotationPolicyDescription>;
  resume(caller: Caller, name: SecretName): Promise<RotationPolicyDescription>;
  /** @returns the id of the run: of the one that is under way, or of another one */
  rotate(caller: Caller, asked: SecretName & { readonly urgent: boolean }): Promise<string>;
  /** The newest first. */
  runs(caller: Caller, query: RotationRunQuery): Promise<readonly RotationRunDescription[]>;
  run(caller: Caller, company: string, run: string): Promise<RotationRunDetails>;
}

export interface PolicyParts {
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly catalog: Catalog;
  readonly drivers: RotationDrivers;
  readonly rotation: RotationRun;
  /** The shortest time between two rotations that a policy may ask for, in seconds. Default: what its driver says */
  readonly leastSeconds?: number | undefined;
}

type Verb = "describe" | "rotate";
type Action = Operation["action"] & `rotation.${string}`;
type InCompany = Operation & { readonly company: Company };

export function createPolicies(parts: PolicyParts): Policies {
  const { operations, companies, catalog, drivers, rotation } = parts;

  const inCompany = async (
    caller: Caller,
    {
      company,
      secretKey,
      action,
      verb,
    }: {
      readonly company: string;
      readonly secretKey?: string;
      readonly action: Action;
      readonly verb: Verb;
    },
  ): Promise<InCompany> => {
    const asked = { caller, action, secretKey };
    const resolved = (await companies.resolve(asked, company)).company;
    return {
      ...asked,
      verb,
      to: verb === "rotate" ? "rotate secrets" : "see rotations",
      company: resolved,
      deny: denialOf(caller, { companyId: resolved.id, verb, secretKey }),
    };
  };

  /** One change of a policy that is there. */
  const change = async (
    caller: Caller,
    { action, ...name }: SecretName & { readonly action: Action },
    work: (statements: Statements, policy: PolicyRow) => Promise<Partial<PolicyRow>>,
  ): Promise<RotationPolicyDescription> => {
    const operation = await inCompany(caller, { ...name, action, verb: "rotate" });
    return operations.change(operation, async ({ statements }) => {
      const policy = await lockPolicy(statements, operation.company, name.secretKey);
      const changes = await work(statements, policy);
      const [changed] = await statements
        .update(rotationPolicies)
        .set({ ...changes, updatedAt: sql`now()` })
        .where(ofPolicy(policy))
        .returning();
      if (changed === undefined) throw new Error("a policy that is locked is there");
      return audited(await describe(statements, changed), {});
    });
  };

  const describe = async (statements: Statements, policy: PolicyRow): Promise<RotationPolicyDescription> => {
    const [description] = await describeAll(statements, [policy]);
    if (description === undefined) throw new Error("each policy has a description");
    return description;
  };

  const describeAll = async (
    statements: Statements,
    policies: readonly PolicyRow[],
  ): Promise<readonly RotationPolicyDescription[]> => {
    const [first] = policies;
    if (first === undefined) return [];
    const subjects = policies.map(({ companyId, secretKey }) => `${companyId} ${secretKey}`);
    const last = await statements
      .selectDistinctOn([runs.subject])
      .from(runs)
      .where(and(eq(runs.kind, rotation.kind), inArray(runs.subject, subjects)))
      .orderBy(runs.subject, desc(runs.startedAt));
    const orphans = await statements
      .select()
      .from(rotationCredentials)
      .where(
        and(eq(rotationCredentials.companyId, first.companyId), eq(rotationCredentials.state, "orphan")),
      );
    return policies.map((policy) => {
      const run = last.find(({ subject }) => subject === `${policy.companyId} ${policy.secretKey}`);
      return {
        ...descriptionOf(policy),
        ...(run && { lastRun: describeRotation(run, drivers) }),
        orphans: orphans
          .filter(({ secretKey }) => secretKey === policy.secretKey)
          .map(({ marker }) => marker),
      };
    });
  };

  const findRuns = async (
    statements: Statements,
    company: Company,
    { where, limit }: { readonly where: SQL | undefined; readonly limit: number },
  ): Promise<readonly RotationRunDescription[]> => {
    const rows = await statements
      .select()
      .from(runs)
      .where(and(eq(runs.kind, rotation.kind), eq(runs.companyId, company.id), where))
      .orderBy(desc(runs.startedAt), desc(runs.id))
      .limit(limit);
    return rows.map((row) => describeRotation(row, drivers));
  };

  return {
    list: async (caller, company) => {
      const operation = await inCompany(caller, { company, action: "rotation.list", verb: "describe" });
      return operations.read(operation, async (across) => {
        const policies = await across(async (statements) => {
          const rows = await statements
            .select()
            .from(rotationPolicies)
            .where(eq(rotationPolicies.companyId, operation.company.id))
            .orderBy(rotationPolicies.secretKey);
          return describeAll(statements, rows);
        });
        return audited({ policies, drivers: driversInWords(drivers, catalog) }, {});
      });
    },

    set: async (caller, { company: subdomain, secretKey, ...asked }) => {
      const operation = await inCompany(caller, {
        company: subdomain,
        secretKey,
        action: "rotation.set-policy",
        verb: "rotate",
      });
      const { company } = operation;
      return operations.change(operation, async ({ statements }) => {
        const { driver, settings } = chosen({ catalog, drivers }, secretKey, asked);
        if (company.secretStore === "infisical") throw onInfisical();
        const manager = await managerOf(statements, { driver, company, secretKey, asked: asked.manager });
        if (asked.schedule !== undefined) {
          const leastSeconds = parts.leastSeconds ?? driver.leastSeconds;
          checkSchedule(asked.schedule, {
            overlapSeconds: asked.overlapSeconds,
            ...(leastSeconds !== undefined && { leastMs: leastSeconds * 1000 }),
          });
        }
        const current = await findCurrentVersion(statements, { companyId: company.id, secretKey });
        if (current === undefined) throw notFound();
        const policy = {
          driver: driver.name,
          settings,
          schedule: asked.schedule ?? null,
          overlapSeconds: asked.overlapSeconds,
          managerKey: manager,
          actorKind: caller.actor.kind,
          actorId: caller.actor.id,
        };
        const place = { companyId: company.id, secretKey };
        const due = await dueOf(statements, { ...place, schedule: policy.schedule }, new Date());
        const fresh = { ...policy, ...due, state: "active", reason: null, failures: 0 } as const;
        const [row] = await statements
          .insert(rotationPolicies)
          .values({ ...place, ...fresh })
          .onConflictDoUpdate({
            target: [rotationPolicies.companyId, rotationPolicies.secretKey],
            set: { ...fresh, updatedAt: sql`now()` },
          })
          .returning();
        if (row === undefined) throw new Error("an insert returned no row");
        return audited(await describe(statements, row), {});
      });
    },

    remove: async (caller, name) => {
      const operation = await inCompany(caller, {
        ...name,
        action: "rotation.remove-policy",
        verb: "rotate",
      });
      const { company } = operation;
      await operations.change(operation, async ({ statements }) => {
        const policy = await lockPolicy(statements, company, name.secretKey);
        const subject = secretSubject(company.id, name.secretKey);
        const under = await rotation.lookUpUnfinished(statements, subject);
        if (under !== undefined) throw underWay();
        await statements.delete(rotationPolicies).where(ofPolicy(policy));
        return audited(undefined, {});
      });
    },

    pause: (caller, name) =>
      change(caller, { ...name, action: "rotation.pause" }, async () => ({
        state: "paused",
        reason: "PAUSED",
      })),

    resume: (caller, name) =>
      change(caller, { ...name, action: "rotation.resume" }, async (statements, policy) => {
        if (policy.state === "active")
          throw new TenantSecretsError("CONFLICT", "This policy is neither paused nor stuck.");
        return {
          ...(await dueOf(statements, policy, new Date())),
          state: "active",
          reason: null,
          failures: 0,
        };
      }),

    rotate: async (caller, { urgent, ...name }) => {
      const operation = await inCompany(caller, { ...name, action: "rotation.rotate", verb: "rotate" });
      const { company } = operation;
      if (company.secretStore === "infisical") return operations.deny(operation, onInfisical());
      return operations.change(operation, async ({ statements }) => {
        const policy = await lockPolicy(statements, company, name.secretKey);
        const id = await startRotation(statements, rotation, { policy, caller, urgent, trigger: "asked" });
        return audited(id, { subject: id });
      });
    },

    runs: async (caller, { company, secretKey, unfinished, outcome, before, limit }) => {
      const operation = await inCompany(caller, { company, action: "rotation.list", verb: "describe" });
      return operations.read(operation, async (across) => {
        if (secretKey !== undefined && !SecretKey.safeParse(secretKey).success) return audited([], {});
        return audited(
          await across((statements) => {
            const last = statements
              .select({ startedAt: runs.startedAt, id: runs.id })
              .from(runs)
              .where(and(eq(runs.companyId, operation.company.id), eq(runs.id, before ?? "")));
            const where = and(
              secretKey === undefined
                ? undefined
                : eq(runs.subject, secretSubject(operation.company.id, secretKey)),
              unfinished === true ? isNull(runs.finishedAt) : undefined,
              outcome === undefined ? undefined : endedAs(outcome),
              before === undefined ? undefined : sql`(${runs.startedAt}, ${runs.id}) < (${last})`,
            );
            return findRuns(statements, operation.company, { where, limit });
          }),
          {},
        );
      });
    },

    run: async (caller, company, id) => {
      const operation = await inCompany(caller, { company, action: "rotation.list", verb: "describe" });
      return operations.read({ ...operation, subject: id }, async (across) => {
        const found = await across(async (statements) => {
          const ofCompany = and(eq(runs.kind, rotation.kind), eq(runs.companyId, operation.company.id));
          const [row] = await statements
            .select()
            .from(runs)
            .where(and(ofCompany, eq(runs.id, id)));
          return row && describeInDetail(statements, row, drivers);
        });
        if (found === undefined) throw notFound();
        return audited(found, {});
      });
    },
  };
}

/** A program sees no rotation, since its grant may not cover a secret; and one that rotates does so for the secrets of its grant. */
function denialOf(
  { actor }: Caller,
  {
    companyId,
    verb,
    secretKey,
  }: { readonly companyId: CompanyId; readonly verb: Verb; readonly secretKey: string | undefined },
): TenantSecretsError | undefined {
  if (verb === "describe")
    return actor.kind === "service" || actor.kind === "job" ? forbidden("see rotations") : undefined;
  return permits(actor, verb, { companyId, secretKey }) ? undefined : refusal(actor, verb, secretKey);
}

function ofPolicy({ companyId, secretKey }: Pick<PolicyRow, "companyId" | "secretKey">): SQL | undefined {
  return and(eq(rotationPolicies.companyId, companyId), eq(rotationPolicies.secretKey, secretKey));
}

async function lockPolicy(
  statements: Statements,
  company: Pick<Company, "id">,
  secretKey: string,
): Promise<PolicyRow> {
  if (!SecretKey.safeParse(secretKey).success) throw notFound();
  const [policy] = await statements
    .select()
    .from(rotationPolicies)
    .where(ofPolicy({ companyId: company.id, secretKey }))
    .for("update");
  if (policy === undefined) throw notFound();
  return policy;
}

/** The driver of a policy with its settings, or those that the catalogue names. @throws {TenantSecretsError} */
function chosen(
  { catalog, drivers }: Pick<PolicyParts, "catalog" | "drivers">,
  secretKey: string,
  asked: Pick<RotationPolicyInput, "driver" | "settings">,
): { readonly driver: RotationDriver; readonly settings: unknown } {
  const { rotation } = catalog.get(secretKey);
  const name = asked.driver ?? rotation?.driver;
  if (name === undefined) {
    throw new TenantSecretsError(
      "INVALID_INPUT",
      `Name a driver: the catalogue names none for ${secretKey}.`,
      { fields: ["driver"] },
    );
  }
  const driver = getDriver(drivers, name);
  const ofCatalog = rotation?.driver === name ? (rotation.settings ?? {}) : {};
  const settings = asked.settings === undefined ? ofCatalog : (parseJson(asked.settings) ?? asked.settings);
  parseSettings(driver, settings);
  return { driver, settings };
}

/** @throws {TenantSecretsError} INVALID_INPUT */
async function managerOf(
  statements: Statements,
  {
    driver,
    company,
    secretKey,
    asked,
  }: {
    readonly driver: RotationDriver;
    readonly company: Company;
    readonly secretKey: string;
    readonly asked: string | undefined;
  },
): Promise<string | null> {
  const refuse = (message: string) =>
    new TenantSecretsError("INVALID_INPUT", message, { fields: ["manager"] });
  if (asked === undefined) {
    if (driver.manager !== "required") return null;
    throw refuse(`The driver ${driver.name} acts with the rights of another secret: name it as the manager.`);
  }
  if (driver.manager === "none" || driver.manager === "self")
    throw refuse(`The driver ${driver.name} takes no manager.`);
  const seen = new Set([secretKey]);
  for (let next: string | null = asked; next !== null;) {
    if (seen.has(next)) throw refuse("A secret cannot be managed by itself, not even by way of others.");
    seen.add(next);
    const [policy]: readonly { readonly managerKey: string | null }[] = await statements
      .select({ managerKey: rotationPolicies.managerKey })
      .from(rotationPolicies)
      .where(ofPolicy({ companyId: company.id, secretKey: next }));
    next = policy?.managerKey ?? null;
  }
  if ((await findCurrentVersion(statements, { companyId: company.id, secretKey: asked })) === undefined)
    throw refuse("The manager is a secret of the same company that has a value.");
  return asked;
}

function descriptionOf(policy: PolicyRow): Omit<RotationPolicyDescription, "orphans"> {
  const { secretKey, driver, settings, overlapSeconds, state, failures } = policy;
  return {
    secretKey,
    driver,
    settings: JSON.stringify(settings),
    ...(policy.schedule !== null && { schedule: RotationSchedule.parse(policy.schedule) }),
    overlapSeconds,
    ...(policy.managerKey !== null && { manager: policy.managerKey }),
    state,
    ...(policy.reason !== null && { reason: RotationReason.parse(policy.reason) }),
    failures,
    ...(policy.nextDueAt !== null && policy.state === "active" && { nextDueAt: policy.nextDueAt }),
  };
}

/** A run that is not over may have an outcome in its facts. */
function endedAs(outcome: NonNullable<RotationRunQuery["outcome"]>): SQL | undefined {
  return and(isNotNull(runs.finishedAt), sql`${runs.facts}->>'outcome' = ${outcome}`);
}

function driversInWords(drivers: RotationDrivers, catalog: Catalog): RotationPolicyList["drivers"] {
  return Object.values(drivers).map(({ name, creates, manager, settings }) => ({
    name,
    person: creates === "person",
    manager,
    settings: jsonSchemaOf(settings),
    secretKeys: Object.entries(catalog.entries)
      .filter(([, { rotation }]) => rotation?.driver === name)
      .map(([secretKey]) => secretKey),
  }));
}

function onInfisical(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "Secrets of a company on Infisical have no versions, and are not rotated: move it to the hybrid or the database store.",
  );
}

function underWay(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "A rotation of this secret is under way, and ends what it made at the provider: wait for it, or abort it.",
  );
}
