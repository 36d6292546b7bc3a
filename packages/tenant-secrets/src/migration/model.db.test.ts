import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { MIGRATION_MODEL_RUNS, MIGRATION_MODEL_SEED } from "../testing/env.ts";
import { checkReads, checkRows } from "../testing/moving/checks.ts";
import {
  createDrivers,
  finish,
  goals,
  migrate,
  settle,
  writeKilled,
  type Drivers,
  type Goal,
  type Migrating,
} from "../testing/moving/moves.ts";
import { beginStory, change, restore, setMany, type Change, type Story } from "../testing/moving/story.ts";
import { createWorld, secretKeys, type World } from "../testing/moving/world.ts";

let world: World;
let drivers: Drivers;

beforeAll(async () => {
  world = await createWorld();
  drivers = createDrivers(world);
});

const key = fc.constantFrom(...secretKeys);
const by = fc.constantFrom("caching" as const, "looking" as const);
const ours = fc.record({ act: fc.constantFrom("set" as const, "set" as const, "remove" as const), key, by });
const outside = fc.record({
  act: fc.constantFrom("edit in Infisical" as const, "remove in Infisical" as const),
  key,
});
const one: fc.Arbitrary<Change> = fc.oneof({ weight: 3, arbitrary: ours }, { weight: 1, arbitrary: outside });
/** A migration of a small company has about 20 points. */
const point = fc.nat(24);
const migrating: fc.Arbitrary<Migrating> = fc.record({
  goal: fc.constantFrom(...goals, "to hybrid" as const, "to database" as const, "back to Infisical" as const),
  killAt: fc.option(point, { freq: 2, nil: undefined }),
  afterKill: fc.constantFrom("resume" as const, "cancel" as const, "leave" as const),
  meanwhile: fc.uniqueArray(fc.record({ at: point, change: one }), {
    maxLength: 2,
    selector: (each) => each.change.key,
  }),
});

type Act =
  | { readonly act: "change"; readonly change: Change }
  | { readonly act: "migrate"; readonly migrating: Migrating }
  | { readonly act: "set many"; readonly keys: readonly Change["key"][]; readonly by: "caching" | "looking" }
  | { readonly act: "restore"; readonly key: Change["key"]; readonly by: "caching" | "looking" }
  | {
      readonly act: "killed write";
      readonly key: Change["key"];
      readonly removes: boolean;
      readonly killAt: number;
    }
  | { readonly act: "cut listeners" | "settle" };

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ act: fc.constant("change" as const), change: one }) },
  { weight: 6, arbitrary: fc.record({ act: fc.constant("migrate" as const), migrating }) },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant("set many" as const),
      keys: fc.uniqueArray(key, { minLength: 1 }),
      by,
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("restore" as const), key, by }) },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant("killed write" as const),
      key,
      removes: fc.boolean(),
      killAt: fc.nat(4),
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constantFrom("cut listeners" as const, "settle" as const) }) },
);

const undisturbed = (goal: Goal): Act => ({
  act: "migrate",
  migrating: { goal, killAt: undefined, afterKill: "resume", meanwhile: [] },
});
const written: readonly Act[] = [
  { act: "change", change: { act: "set", key: "CUSTOM_A", by: "looking" } },
  { act: "change", change: { act: "set", key: "CUSTOM_B", by: "caching" } },
];
/** So that a short story meets each store. */
const beginning = fc.constantFrom<readonly Act[]>(
  [],
  written,
  [...written, undisturbed("to hybrid")],
  [...written, undisturbed("to database")],
  [...written, undisturbed("to database")],
);

function perform(story: Story<Goal>, each: Act): Promise<unknown> {
  switch (each.act) {
    case "change":
      return change(story, each.change);
    case "migrate":
      return migrate(story, drivers, each.migrating);
    case "set many":
      return setMany(story, each);
    case "restore":
      return restore(story, each);
    case "killed write":
      return writeKilled(story, drivers, each);
    case "cut listeners":
      return world.cutListeners();
    case "settle":
      return settle(story);
  }
}

const numRuns = Number(MIGRATION_MODEL_RUNS ?? 300);
/** In the whole of the tests, a busy machine tells fewer stories. By hand it tells all of them. */
const longestMs = MIGRATION_MODEL_RUNS === undefined ? 40_000 : Infinity;
/** How long a story that fails is made shorter. */
const shrinkingMs = 20_000;

async function tell(first: readonly Act[], acts: readonly Act[]): Promise<void> {
  const story = await beginStory<Goal>(world);
  for (const each of [...first, ...acts]) {
    await perform(story, each);
    await checkReads(story);
    if (each.act === "migrate" || each === acts.at(-1)) await checkRows(story);
  }
  if (story.pending !== undefined) {
    await finish(story, story.pending);
    await checkReads(story);
    await checkRows(story);
  }
  await world.fixture.infisical.deleteFolder(`/tenants/${story.company.infisicalFolder}`);
}

test(
  "whatever happens while a company is moved, every process reads what was acknowledged last",
  { timeout: MIGRATION_MODEL_RUNS === undefined ? 120_000 : 5000 * numRuns },
  async () => {
    let until = performance.now() + longestMs;
    let told = 0;
    let hasFailed = false;
    const property = fc.asyncProperty(
      beginning,
      fc.array(act, { minLength: 1, maxLength: 5 }),
      async (first, acts) => {
        if (performance.now() > until) return;
        told += 1;
        try {
          await tell(first, acts);
        } catch (error) {
          if (!hasFailed) until = performance.now() + shrinkingMs;
          hasFailed = true;
          throw error;
        }
      },
    );
    const seed = MIGRATION_MODEL_SEED === undefined ? {} : { seed: Number(MIGRATION_MODEL_SEED) };
    await fc.assert(property, { numRuns, ...seed });
    if (told < numRuns)
      console.log(`A busy machine: ${told} of ${numRuns} stories of a migration were told.`);
    expect(told).toBeGreaterThan(0);
  },
);
