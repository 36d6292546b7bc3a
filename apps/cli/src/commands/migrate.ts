import { confirmTyped } from "../arguments.ts";
import { defineCommand, type Option } from "../command.ts";
import { UsageError } from "../failure.ts";
import { exitCodesHelp, withMigrationExitCodes } from "../migrate/exit-codes.ts";
import { migrate } from "../migrate/migrate.ts";
import { type Scope, scopeOf, scopeOptions, scopeText, type ScopeValues } from "../migrate/scope.ts";

const dryRun = {
  "dry-run": { type: "boolean", help: "Say what would be done and what prevents it, as migrate plan does" },
} as const satisfies Record<string, Option>;

const takeNewest = {
  "take-newest": {
    type: "boolean",
    help: "Of several secrets of one name in a folder, take the newest, which is what reads served",
  },
} as const satisfies Record<string, Option>;

const yes = {
  yes: { type: "boolean", help: "Do not ask; needed with --all" },
} as const satisfies Record<string, Option>;

export const planCommand = withMigrationExitCodes(
  defineCommand({
    positionals: [],
    options: {
      ...scopeOptions,
      before: {
        type: "string",
        value: "verb",
        help: "copy, switch, rollback or cleanup: what is planned; switch unless given",
      },
    },
    details: `Says of each company how its secrets stand in Infisical and in the database, and what prevents that it is moved.
Changes nothing. For operators. docs/migration.md has the whole procedure.
${exitCodesHelp}`,
    examples: ["migrate plan --company codewiser", "migrate plan --all --before rollback --json"],
    run: async ({ before: given = "switch", json, ...values }) => {
      const before = oneOf("before", given, ["copy", "switch", "rollback", "cleanup"]);
      await plan(before, { json, values });
    },
  }),
);

export const copyCommand = withMigrationExitCodes(
  defineCommand({
    positionals: [],
    options: { ...scopeOptions, ...takeNewest, ...dryRun },
    details: `Fills the database from the companies' folders in Infisical. Companies read and write as before, and no value that was
written in the database changes. Run again, it brings what has changed in the folders since. For operators.
${exitCodesHelp}`,
    examples: ["migrate copy --company codewiser", "migrate copy --all --rate 120"],
    run: async ({ json, "dry-run": isDry, ...values }) => {
      if (isDry) return plan("copy", { json, values });
      const scope = await scopeOf(values);
      const request = { verb: "copy", ...scope, takeNewest: values["take-newest"] } as const;
      await migrate({ request, json, next: `migrate verify ${scopeText(values)}` });
    },
  }),
);

export const verifyCommand = withMigrationExitCodes(
  defineCommand({
    positionals: [],
    options: scopeOptions,
    details: `Compares every value of the companies in Infisical and in the database, both ways. Changes nothing. For operators.
${exitCodesHelp}`,
    examples: ["migrate verify --company codewiser", "migrate verify --from-file companies.txt"],
    run: async ({ json, ...values }) => {
      const scope = await scopeOf(values);
      await migrate({
        request: { verb: "verify", ...scope },
        json,
        next: `migrate switch ${scopeText(values)}${values.all ? " --yes" : ""}`,
      });
    },
  }),
);

export const switchCommand = withMigrationExitCodes(
  defineCommand({
    positionals: [],
    options: {
      ...scopeOptions,
      to: { type: "string", value: "store", help: "hybrid or database; hybrid unless given" },
      leave: {
        type: "string",
        multiple: true,
        value: "secretKey",
        help: "A secret that may be left behind in Infisical; may be given more than once",
      },
      ...takeNewest,
      ...dryRun,
      ...yes,
    },
    details: `Makes the hybrid store, or the database, the store of the companies. Copies what is missing, holds their writes for at most
8 s, compares every value, and switches. Companies with findings stay as they are. After three companies in a row that
could not be switched it pauses. For operators.
${exitCodesHelp}`,
    examples: [
      "migrate switch --company codewiser",
      "migrate switch --company codewiser --to database --leave OLD_NAME",
      "migrate switch --all --to database --yes",
    ],
    run: async ({ json, yes: isConfirmed, "dry-run": isDry, to: given = "hybrid", leave, ...values }) => {
      const to = oneOf("to", given, ["hybrid", "database"]);
      if (leave.some((secretKey) => secretKey.length > 1000))
        throw new UsageError("--leave is the name of a secret.");
      if (isDry) return plan("switch", { json, values });
      const scope = await scopeOf(values);
      requireYes(values, isConfirmed);
      const request = { verb: "switch", ...scope, to, leave, takeNewest: values["take-newest"] } as const;
      const further = `${scopeText(values)}${values.all ? " --yes" : ""}`;
      const next = to === "hybrid" ? `migrate switch --to database ${further}` : `migrate status`;
      await migrate({ request, json, next });
    },
  }),
);

export const rollbackCommand = withMigrationExitCodes(
  defineCommand({
    positionals: [],
    options: {
      ...scopeOptions,
      to: { type: "string", value: "store", help: "hybrid or infisical; infisical unless given" },
      "accept-losses": {
        type: "boolean",
        help: "Go back although Infisical has no place for pending versions, grace windows, expiry dates and history",
      },
      ...dryRun,
      ...yes,
      confirm: {
        type: "string",
        value: "subdomain",
        help: 'With --accept-losses and --yes: the company once more, or "all", or the number of companies',
      },
    },
    details: `Takes companies back to the hybrid store, or to Infisical after writing there what was written in the database since. Holds
their writes for at most 8 s. Companies with findings stay as they are, and so do those that would lose something, unless
--accept-losses confirms it. For operators.
${exitCodesHelp}`,
    examples: [
      "migrate rollback --company codewiser --dry-run",
      "migrate rollback --company codewiser --accept-losses",
      "migrate rollback --all --to hybrid --yes",
    ],
    run: async ({
      json,
      yes: isConfirmed,
      confirm,
      "dry-run": isDry,
      to: given = "infisical",
      ...values
    }) => {
      const to = oneOf("to", given, ["hybrid", "infisical"]);
      if (isDry) return plan("rollback", { json, values });
      const scope = await scopeOf(values);
      const acceptLosses = values["accept-losses"];
      requireYes(values, isConfirmed);
      if (acceptLosses) await confirmLosses(scope, { isConfirmed, confirm });
      const request = { verb: "rollback", ...scope, to, acceptLosses } as const;
      await migrate({ request, json, next: `migrate status` });
    },
  }),
);

interface Planned {
  readonly json: boolean;
  readonly values: ScopeValues;
}

async function plan(
  before: "copy" | "switch" | "rollback" | "cleanup",
  { json, values }: Planned,
): Promise<void> {
  const next = before === "switch" ? "copy" : before;
  await migrate({
    request: { verb: "plan", ...(await scopeOf(values)), before },
    json,
    next: next === "cleanup" ? undefined : `migrate ${next} ${scopeText(values)}`,
  });
}

/** @throws {UsageError} */
function requireYes({ all }: Pick<ScopeValues, "all">, isConfirmed: boolean): void {
  if (all && !isConfirmed)
    throw new UsageError("--all changes the store of every company: confirm it with --yes.");
}

async function confirmLosses(
  { companies }: Scope,
  { isConfirmed, confirm }: { readonly isConfirmed: boolean; readonly confirm: string | undefined },
): Promise<void> {
  const [first = ""] = companies;
  const expected = companies === "all" ? "all" : companies.length === 1 ? first : String(companies.length);
  await confirmTyped({
    question: `What the plan lists as lost is not active in Infisical. Type ${
      companies === "all" || companies.length === 1 ? "" : "the number of companies, "
    }${expected} to continue`,
    expected,
    yes: isConfirmed,
    typed: confirm,
    option: "confirm",
  });
}

/** @throws {UsageError} */
function oneOf<const T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((each) => each === text);
  if (found === undefined) throw new UsageError(`--${option} is one of ${known.join(", ")}.`);
  return found;
}
