import { and, desc, eq, inArray, isNotNull, isNull, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import {
  type Caller,
  type Catalog,
  jsonSchemaOf,
  notFound,
  RotationCanary,
  RotationReason,
  type RotationPolicyDescription,
  type RotationPolicyList,
  type RotationRunDescription,
  type RotationRunDetails,
  type RotationRunQuery,
  RotationSchedule,
  SecretKey,
} from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import type { Companies, Company } from "../companies/companies.ts";
import { secretSubject } from "../runs/definition.ts";
import { newestFirst, olderThan } from "../runs/run-pages.ts";
import type { RotationDrivers } from "./drivers/driver.ts";
import { rotationOperation } from "./rotation-operation.ts";
import type { PolicyRow } from "./policy-row.ts";
import type { RotationRun } from "./rotation-run.ts";
import { describeInDetail } from "./run-details.ts";
import { describeRotation } from "./run-words.ts";

const { rotationCredentials, rotationPolicies, runs } = tables;

/** What is seen of rotations. Each method throws FORBIDDEN, and NOT_FOUND for a company or a run that is not there or not the caller's. */
export interface RotationLists {
  list(caller: Caller, company: string): Promise<RotationPolicyList>;
  /** The newest first. */
  runs(caller: Caller, query: RotationRunQuery): Promise<readonly RotationRunDescription[]>;
  run(caller: Caller, company: string, run: string): Promise<RotationRunDetails>;
}

/** Policies in words, each with its last run and what may be left at the provider. */
export type DescribePolicies = (
  statements: Statements,
  policies: readonly PolicyRow[],
) => Promise<readonly RotationPolicyDescription[]>;

export interface ListParts {
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly catalog: Catalog;
  readonly drivers: RotationDrivers;
  readonly rotation: Pick<RotationRun, "kind">;
}

export function describePolicies({
  drivers,
  rotation,
}: Pick<ListParts, "drivers" | "rotation">): DescribePolicies {
  return async (statements, policies) => {
    const [first] = policies;
    if (first === undefined) return [];
    const subjects = policies.map(({ companyId, secretKey }) => secretSubject(companyId, secretKey));
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
      const run = last.find(({ subject }) => subject === secretSubject(policy.companyId, policy.secretKey));
      return {
        ...descriptionOf(policy),
        ...(drivers[policy.driver]?.warning !== undefined && { warning: drivers[policy.driver]?.warning }),
        ...(run && { lastRun: describeRotation(run, drivers) }),
        orphans: orphans
          .filter(({ secretKey }) => secretKey === policy.secretKey)
          .map(({ marker }) => marker),
      };
    });
  };
}

export function createRotationLists(parts: ListParts): RotationLists {
  const { operations, companies, catalog, drivers, rotation } = parts;
  const describeAll = describePolicies(parts);
  const see = (caller: Caller, company: string) =>
    rotationOperation(companies, caller, { company, action: "rotation.list", verb: "describe" });

  const findRuns = async (
    statements: Statements,
    company: Company,
    { where, limit }: { readonly where: SQL | undefined; readonly limit: number },
  ): Promise<readonly RotationRunDescription[]> => {
    const rows = await statements
      .select()
      .from(runs)
      .where(and(eq(runs.kind, rotation.kind), eq(runs.companyId, company.id), where))
      .orderBy(...newestFirst)
      .limit(limit);
    return rows.map((row) => describeRotation(row, drivers));
  };

  return {
    list: async (caller, company) => {
      const operation = await see(caller, company);
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

    runs: async (caller, { company, secretKey, unfinished, outcome, before, limit }) => {
      const operation = await see(caller, company);
      return operations.read(operation, async (across) => {
        if (secretKey !== undefined && !SecretKey.safeParse(secretKey).success) return audited([], {});
        return audited(
          await across((statements) => {
            const allowed = eq(runs.companyId, operation.company.id);
            const where = and(
              secretKey === undefined
                ? undefined
                : eq(runs.subject, secretSubject(operation.company.id, secretKey)),
              unfinished === true ? isNull(runs.finishedAt) : undefined,
              outcome === undefined ? undefined : endedAs(outcome),
              before === undefined ? undefined : olderThan(statements, { before, allowed }),
            );
            return findRuns(statements, operation.company, { where, limit });
          }),
          {},
        );
      });
    },

    run: async (caller, company, id) => {
      const operation = await see(caller, company);
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

function descriptionOf(policy: PolicyRow): Omit<RotationPolicyDescription, "orphans"> {
  const { secretKey, driver, settings, overlapSeconds, state, failures } = policy;
  const schedule = RotationSchedule.safeParse(policy.schedule);
  return {
    secretKey,
    driver,
    settings: JSON.stringify(settings),
    // One that cannot be read makes the policy stuck.
    ...(schedule.success && { schedule: schedule.data }),
    overlapSeconds,
    ...(policy.canary !== null && { canary: RotationCanary.parse(policy.canary) }),
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
  return Object.values(drivers).map(({ name, creates, manager, settings, warning }) => ({
    name,
    person: creates === "person",
    manager,
    ...(warning !== undefined && { warning }),
    settings: jsonSchemaOf(settings),
    secretKeys: Object.entries(catalog.entries)
      .filter(([, { rotation }]) => rotation?.driver === name)
      .map(([secretKey]) => secretKey),
  }));
}
