import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { Company } from "../companies/companies.ts";
import { codeOf, createFixture, type Fixture } from "../testing/fixture.ts";
import type { DatabaseStore } from "./database/port.ts";
import { createCompany, createStores, activeOf, write, inScope } from "../testing/store-fixture.ts";

const key = "CUSTOM_KEY";
let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});

/** The model of a secret: its values, and which of them are active. */
class Model {
  /** The value of each version, the first at 0; undefined where it was destroyed. */
  values: (string | undefined)[] = [];
  state: "none" | "here" | "removed" | "purged" = "none";
  current = 0;
  pending = 0;
  /** Whose grace windows last, the one that was replaced last first. */
  previous: number[] = [];

  get isHere(): boolean {
    return this.state === "here";
  }

  add(value: string | undefined): number {
    return this.values.push(value);
  }

  canReplace({ long, end }: Grace): boolean {
    return !this.isHere || !long || end || this.previous.length < 5;
  }

  makeCurrent(version: number, { long, end }: Grace): void {
    if (!this.isHere) this.pending = 0;
    if (!this.isHere || end) this.previous = [];
    if (this.isHere && long) this.previous.unshift(this.current);
    this.current = version;
    this.state = "here";
  }

  active(): string[] {
    if (!this.isHere) return [];
    const one = (stage: string, version: number) =>
      version === 0 ? [] : [`${stage} ${version} ${this.values[version - 1]}`];
    return [
      ...one("current", this.current),
      ...one("pending", this.pending),
      ...this.previous.flatMap((version) => one("previous", version)),
    ];
  }
}

interface Act {
  readonly name: string;
  /** What the store is asked to do, and what the model makes of it: the code of the refusal, or "no error". */
  run(store: DatabaseStore, company: Company): Promise<unknown>;
  expected(model: Model): string;
}

/** Whether the value that is replaced goes on to count, and whether the earlier ones cease to. */
interface Grace {
  readonly long: boolean;
  readonly end: boolean;
}

const optionsOf = ({ long, end }: Grace) => ({ graceSeconds: long ? 3600 : 0, endGrace: end });

const set = (value: string, grace: Grace): Act => ({
  name: `set(${value}, ${JSON.stringify(grace)})`,
  run: (store, company) => store.write(inScope(company), write(key, value, optionsOf(grace))),
  expected: (model) => {
    if (!model.canReplace(grace)) return "CONFLICT";
    model.makeCurrent(model.add(value), grace);
    return "no error";
  },
});
const stage = (value: string, replace: boolean): Act => ({
  name: `stage(${value}, ${replace})`,
  run: (store, company) => store.versions.stage(inScope(company), write(key, value, { replace })),
  expected: (model) => {
    if (!model.isHere) return "NOT_FOUND";
    if (model.pending !== 0 && !replace) return "CONFLICT";
    if (model.pending !== 0) model.values[model.pending - 1] = undefined;
    model.pending = model.add(value);
    return "no error";
  },
});
const promote = (grace: Grace): Act => ({
  name: `promote(${JSON.stringify(grace)})`,
  run: (store, company) => store.versions.promote(inScope(company), { secretKey: key, ...optionsOf(grace) }),
  expected: (model) => {
    if (!model.isHere) return "NOT_FOUND";
    if (model.pending === 0 || !model.canReplace(grace)) return "CONFLICT";
    model.makeCurrent(model.pending, grace);
    model.pending = 0;
    return "no error";
  },
});
const discard: Act = {
  name: "discard",
  run: (store, company) => store.versions.discard(inScope(company), { secretKey: key }),
  expected: (model) => {
    if (!model.isHere) return "NOT_FOUND";
    if (model.pending === 0) return "CONFLICT";
    model.values[model.pending - 1] = undefined;
    model.pending = 0;
    return "no error";
  },
};
const rollback = (toVersion: number): Act => ({
  name: `rollback(${toVersion})`,
  run: (store, company) => store.versions.rollback(inScope(company), { secretKey: key, toVersion }),
  expected: (model) => {
    if (!model.isHere || toVersion > model.values.length) return "NOT_FOUND";
    const value = model.values[toVersion - 1];
    if (toVersion === model.current || toVersion === model.pending || value === undefined) return "CONFLICT";
    model.makeCurrent(model.add(value), { long: false, end: false });
    return "no error";
  },
});
const remove: Act = {
  name: "remove",
  run: (store, company) => store.remove(inScope(company), { secretKey: key }),
  expected: (model) => {
    if (!model.isHere) return "NOT_FOUND";
    model.state = "removed";
    return "no error";
  },
};
const restore: Act = {
  name: "restore",
  run: (store, company) => store.versions.restore(inScope(company), { secretKey: key }),
  expected: (model) => {
    if (model.state !== "removed") return "NOT_FOUND";
    model.state = "here";
    return "no error";
  },
};
const purge = (force: boolean): Act => ({
  name: `purge(${force})`,
  run: (store, company) => store.versions.purge(inScope(company), { secretKey: key, force }),
  expected: (model) => {
    if (model.state === "none" || model.state === "purged") return "NOT_FOUND";
    if (model.isHere && !force) return "CONFLICT";
    model.values = model.values.map(() => undefined);
    model.pending = 0;
    model.previous = [];
    model.state = "purged";
    return "no error";
  },
});
const restart = "restart";

const value = fc.constantFrom("red", "green", "blue");
// Windows are opened more often than not, so that there come to be as many as there can.
const grace = fc.record({
  long: fc.constantFrom(true, true, false),
  end: fc.constantFrom(false, false, false, true),
});
const act = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(value, grace).map(([text, each]) => set(text, each)) },
  { weight: 4, arbitrary: fc.tuple(value, fc.boolean()).map(([text, replace]) => stage(text, replace)) },
  { weight: 3, arbitrary: grace.map(promote) },
  { weight: 1, arbitrary: fc.constant(discard) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 6 }).map(rollback) },
  { weight: 2, arbitrary: fc.constant(remove) },
  { weight: 2, arbitrary: fc.constant(restore) },
  { weight: 1, arbitrary: fc.boolean().map(purge) },
  { weight: 1, arbitrary: fc.constant(restart) },
);

/** Every version opens as what the model says or is destroyed, has one stored copy, and the numbers have no gap. */
async function expectSame(store: DatabaseStore, company: Company, model: Model): Promise<void> {
  expect(await activeOf(store, company, key)).toEqual(model.active());
  const stored = await fixture.superuser`
    select v.version, v.destroyed_at is not null as destroyed, v.value_encrypted is not null as apart,
      h.secret_value_encrypted is not null and h.current_version = v.version as in_head
    from company_secret_versions v join company_secrets h using (company_id, secret_key)
    where company_id = ${company.id} order by v.version`;
  expect(stored.map((row) => ({ ...row }))).toEqual(
    model.values.map((kept, i) => ({
      version: i + 1,
      destroyed: kept === undefined,
      apart: kept !== undefined && i + 1 !== model.current,
      in_head: kept !== undefined && i + 1 === model.current,
    })),
  );
}

/** Makes each version current once more, by a rollback, to see that it still opens as what it was. */
async function expectOpenable(store: DatabaseStore, company: Company, model: Model): Promise<void> {
  const versions = model.values.length;
  if (versions === 0) return;
  await store.write(inScope(company), write(key, "last", {}));
  for (let version = 1; version <= versions; version++) {
    const kept = model.values[version - 1];
    if (kept === undefined || (model.isHere && version === model.pending)) continue;
    await store.versions.rollback(inScope(company), { secretKey: key, toVersion: version });
    expect((await store.find(company, key))?.decrypt().reveal()).toBe(kept);
  }
}

test("any sequence of changes leaves the versions and stages that a simple model predicts", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 16 }), async (acts) => {
      const company = await createCompany(fixture, "database");
      const model = new Model();
      let store = createStores(fixture).database;
      for (const each of acts) {
        if (each === restart) {
          store = createStores(fixture).database;
          continue;
        }
        const expected = each.expected(model);
        expect(await codeOf(each.run(store, company)), each.name).toBe(expected);
        await expectSame(store, company, model);
      }
      await expectOpenable(store, company, model);
    }),
    { numRuns: 25, timeout: 180_000 },
  );
}, 60_000);
