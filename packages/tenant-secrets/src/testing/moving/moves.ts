import { connectDatabase, type Database } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import type { CompanyMigration, SecretStoreName } from "@repo/catalog";
import { expect } from "vitest";
import { assembleTenantSecrets } from "../../assemble.ts";
import { codeOf, operator, product } from "../fixture.ts";
import { backToHybrid, backToInfisical, copy, toDatabase, toHybrid, verify } from "../migrating.ts";
import { createMortal, type Fate, type Mortal } from "./mortal.ts";
import {
  acknowledge,
  applyMeanwhile,
  expectedOf,
  leaveOpen,
  make,
  newValue,
  type Change,
  type Made,
  type Story,
  type Value,
} from "./story.ts";
import {
  look,
  lookIntoDatabase,
  lookIntoFolder,
  secretKeys,
  type SecretKey,
  type Sight,
  type World,
} from "./world.ts";

const requests = {
  copy,
  verify,
  "to hybrid": toHybrid,
  "to database": toDatabase,
  "back to hybrid": backToHybrid,
  "back to Infisical": { ...backToInfisical, acceptLosses: true },
  cleanup: { verb: "cleanup", afterDays: 30, folders: 1 },
} as const;

/** What a migration is begun for. */
export type Goal = keyof typeof requests;
export const goals = Object.keys(requests).filter(isGoal);

function isGoal(name: string): name is Goal {
  return Object.hasOwn(requests, name);
}

/** The stores that a goal leads from, and the one that it leads to. */
const ways: Readonly<
  Partial<Record<Goal, readonly [from: readonly SecretStoreName[], to: SecretStoreName]>>
> = {
  "to hybrid": [["infisical"], "hybrid"],
  "to database": [["infisical", "hybrid"], "database"],
  "back to hybrid": [["database"], "hybrid"],
  "back to Infisical": [["hybrid", "database"], "infisical"],
};

export interface Migrating {
  readonly goal: Goal;
  readonly killAt: number | undefined;
  /** What becomes of the migration of a process that was killed. */
  readonly afterKill: "resume" | "cancel" | "leave";
  /** Changes by others, at points of the process. */
  readonly meanwhile: readonly { readonly at: number; readonly change: Change }[];
}

const tools = { sliceMs: Infinity, againMs: 1 };

/** Processes that migrate, and are killed. All of them share their connections. */
export interface Drivers {
  /** One that is alive. */
  alive(): Promise<Driver>;
}

interface Driver {
  readonly mortal: Mortal;
  readonly secrets: ReturnType<typeof assembleTenantSecrets<typeof deliveryChatCatalog>>;
}

export function createDrivers({ fixture }: World): Drivers {
  const { application: applicationUrl, maintenance: maintenanceUrl } = fixture.urls;
  const database: Database = connectDatabase({ applicationUrl, maintenanceUrl });
  whenDone(() => database.close());
  let driver: Driver | undefined;
  return {
    alive: async () => {
      if (driver === undefined || driver.mortal.isDead()) {
        const mortal = createMortal({ database, infisical: fixture.infisical });
        const secrets = assembleTenantSecrets({ ...mortal, catalog: deliveryChatCatalog });
        await secrets.prepare();
        driver = { mortal, secrets };
      }
      return driver;
    },
  };
}

/** Both sides and the store, as they are stored. */
interface Sides extends Sight {
  readonly folder: ReadonlyMap<string, Value>;
  readonly database: ReadonlyMap<string, Value>;
}

async function lookAtSides({ world, company }: Story<Goal>): Promise<Sides> {
  const rows = await lookIntoFolder(world, company);
  return {
    ...(await look(world, company)),
    folder: new Map(Array.from(rows, ([key, { value }]) => [key, value])),
    database: await lookIntoDatabase(world, company),
  };
}

/** Begins a migration, and drives it as far as its process lives. */
export async function migrate(story: Story<Goal>, drivers: Drivers, wanted: Migrating): Promise<void> {
  if (story.pending !== undefined) await finish(story, story.pending);
  const { goal, killAt, afterKill } = wanted;
  const { world, company } = story;
  const before = await lookAtSides(story);
  if (goal === "cleanup")
    await world.fixture
      .superuser`update company_stores set changed_at = now() - interval '40 days' where company_id = ${company.id}`;
  const driver = await drivers.alive();
  const begin = async () =>
    driver.secrets.migrations.beginHere(operator, {
      ...requests[goal],
      companies: [company.subdomain],
      ratePerMinute: null,
    });
  if (goal === "cleanup" && (story.store === "hybrid" || story.epoch === 1 || story.isCleaned))
    return expect(await codeOf(begin()), "a cleanup of nothing").toBe("INVALID_INPUT");
  const row = await begin();
  const beside: { readonly change: Change; readonly made: Promise<Made> }[] = [];
  const meanwhile: Fate["meanwhile"] = new Map(
    wanted.meanwhile.map(({ at, change }) => [
      at,
      () => {
        const made = make(story, change);
        beside.push({ change, made });
        return made;
      },
    ]),
  );
  driver.mortal.begin({ killAt, meanwhile });
  const driven = driver.secrets.migrations.run.drive(row, { caller: operator, tools });
  await driven.catch((error: unknown) => {
    if (!driver.mortal.isDead()) throw error;
  });
  driver.mortal.begin({});
  if (driver.mortal.isDead()) await world.passTime();
  await follow(story, goal, before);
  for (const { change, made } of beside) applyMeanwhile(story, change, await made);
  story.pending = { run: row.id, goal };
  if (driver.mortal.isDead() && afterKill === "leave") return;
  if (driver.mortal.isDead() && afterKill === "cancel") {
    await world.fixture.secrets.runs.cancel(operator, row.id);
    story.pending = undefined;
    return;
  }
  await finish(story, {
    run: row.id,
    goal,
    ...(driver.mortal.isDead() || beside.length > 0 ? {} : { before }),
  });
}

/** Expects what a change of the store that was committed leads to. */
async function follow(story: Story<Goal>, goal: Goal, before: Sides): Promise<void> {
  const after = await look(story.world, story.company);
  if (goal === "cleanup") story.isCleaned = after.isCleaned;
  if (after.epoch === story.epoch) return;
  const [from, to] = ways[goal] ?? [[], undefined];
  expect([after.epoch, after.store], `after "${goal}"`).toEqual([story.epoch + 1, to]);
  expect(from, `before "${goal}"`).toContain(story.store);
  if (story.store === "infisical" || after.store === "infisical") story.isCleaned = false;
  for (const key of secretKeys) {
    const head = before.heads.get(key);
    const isUnknown = head === undefined || (!head.isLive && head.origin === "infisical");
    const expected = expectedOf(story, key);
    // Made in the folder while it was not read.
    if (story.store === "database" && isUnknown && before.folder.has(key))
      expected.last = new Set([before.folder.get(key)]);
    expected.stale = new Set();
  }
  story.store = after.store;
  story.epoch = after.epoch;
}

interface Unfinished {
  readonly run: string;
  readonly goal: Goal;
  /** The sides at its beginning, if nothing else has happened since. */
  readonly before?: Sides;
}

/** Drives a migration to its end, whatever it has to be tried again for. */
export async function finish(story: Story<Goal>, { run, goal, before }: Unfinished): Promise<void> {
  const { world, company } = story;
  const { migrations } = world.processes.caching;
  for (let sessions = 0; ; sessions += 1) {
    const { row } = await migrations.run.get(run);
    if (row.finishedAt !== null) break;
    expect(sessions, "attempts of a migration").toBeLessThan(6);
    const now = await lookAtSides(story);
    await world.passTime();
    await settle(story);
    await migrations.run.drive(run, { caller: operator, tools });
    await follow(story, goal, now);
  }
  story.pending = undefined;
  const { companies } = await migrations.companies(operator, { run, limit: 1 });
  const [result] = companies;
  if (result === undefined || result.company.id !== company.id)
    throw new Error("the migration has one company");
  await conclude(story, goal, { result, before });
}

/** Holds the outcome of a migration to what was expected, and expects what it promised. */
async function conclude(
  story: Story<Goal>,
  goal: Goal,
  { result, before }: { readonly result: CompanyMigration; readonly before: Sides | undefined },
): Promise<void> {
  const { state, error } = result;
  const outcome = `"${goal}" on ${story.store}, ${error?.code ?? "without an error"}`;
  const areEqual = (sides: Sides) =>
    secretKeys.every((key) => sides.folder.get(key) === sides.database.get(key));
  switch (goal) {
    case "copy": {
      if (story.store === "database") return expect(error?.code, outcome).toBe("NOT_SUPPORTED");
      // An empty folder that was not empty before is not believed.
      if (before === undefined || isEmptied(before))
        return expect(["done", "blocked"], outcome).toContain(state);
      expect(state, outcome).toBe("done");
      const now = await lookAtSides(story);
      if (story.store === "infisical" && now.unsettled === 0) expect(areEqual(now), outcome).toBe(true);
      return;
    }
    case "verify": {
      if (before === undefined) return expect(["done", "blocked"], outcome).toContain(state);
      const isClean = story.store !== "infisical" || (areEqual(before) && !isEmptied(before));
      return expect(state, outcome).toBe(isClean ? "done" : "blocked");
    }
    case "cleanup": {
      expect(story.isCleaned, outcome).toBe(state === "done");
      if (before === undefined) return;
      const now = await lookAtSides(story);
      if (state !== "done") {
        expect(state, outcome).toBe("blocked");
        // What was changed in the folder since is not lost with it.
        return expect(story.store === "database" && !areEqual(now), outcome).toBe(true);
      }
      return expect(story.store === "database" ? now.folder.size : now.database.size, outcome).toBe(0);
    }
    case "to hybrid":
    case "to database":
    case "back to hybrid":
    case "back to Infisical": {
      // An empty folder that was not empty before is not believed.
      if (before !== undefined && isEmptied(before) && goal.startsWith("to "))
        return expect(state, outcome).toBe("blocked");
      const [, to] = ways[goal] ?? [];
      const isThere = story.store === to;
      if (isThere) return expect(state, outcome).toBe("done");
      const isEmpty = state === "blocked" && isEmptied(await lookAtSides(story));
      expect(isEmpty || error?.code === "NOT_SUPPORTED", outcome).toBe(true);
      const isPossible = ways[goal]?.[0].includes(story.store) === true;
      expect(isEmpty || !isPossible || story.isCleaned, outcome).toBe(true);
    }
  }
}

function isEmptied({ store, folder, ledger }: Sides): boolean {
  return store === "infisical" && folder.size === 0 && ledger > 0;
}

/** As the job does each minute: finds what became of writes of killed processes. */
export async function settle({ world }: Story<Goal>): Promise<void> {
  await world.processes.caching.outsideSettlement.settle(new AbortController().signal);
}

/** A write, or a removal, by a process that is killed at one of its points. */
export async function writeKilled(
  story: Story<Goal>,
  drivers: Drivers,
  { key, removes, killAt }: { readonly key: SecretKey; readonly removes: boolean; readonly killAt: number },
): Promise<void> {
  const driver = await drivers.alive();
  const value = newValue();
  const expected = expectedOf(story, key);
  const isThere = !expected.last.has(undefined);
  driver.mortal.begin({ killAt });
  const secrets = driver.secrets.company(story.company.subdomain, product);
  const code = await codeOf(removes ? secrets.remove(key) : secrets.set(key, value));
  driver.mortal.begin({});
  if (!driver.mortal.isDead()) {
    expect(code, "a write that was not killed").toBe(removes && !isThere ? "NOT_FOUND" : "no error");
    if (code === "no error") acknowledge(story, key, removes ? undefined : value);
    return;
  }
  await story.world.passTime();
  // The job that settles finds a secret absent, whichever way it came to be.
  if (removes) expected.perhapsRemoved += 1;
  if (removes && !isThere) return;
  if (removes) {
    expected.restorable = new Set([...expected.restorable, ...expected.last]);
  } else expected.perhapsWritten += 1;
  leaveOpen(story, key, removes ? undefined : value);
}
