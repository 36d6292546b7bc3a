import { expect, test } from "vitest";
import { createFixture, operator, product } from "../testing/fixture.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
const signal = new AbortController().signal;

const key = "CUSTOM_SIGNING_SECRET";
const begin = async () => {
  const company = await fixture.company("database");
  await secrets.company(company, product).set(key, "whsec_fake_of_a_person");
  await secrets.company(company, product).set("CUSTOM_OTHER", "fake");
  const policy = { company, secretKey: key, driver: "generated", overlapSeconds: 3600 };
  return {
    company,
    set: (changes: object = {}) => secrets.rotation.set(operator, { ...policy, ...changes }),
    rotations: async () =>
      (await secrets.company(company, product).list()).secrets.map(({ secretKey, rotation }) => [
        secretKey,
        rotation,
      ]),
  };
};

test("a list shows how a secret is rotated, when next, and what its run does", async () => {
  const { company, set, rotations } = await begin();
  const other = ["CUSTOM_OTHER", undefined];
  expect(await rotations()).toEqual([other, [key, undefined]]);

  await set();
  expect(await rotations()).toEqual([other, [key, { driver: "generated", state: "active" }]]);
  const { nextDueAt } = await set({ schedule: { every: "P30D" } });
  expect(nextDueAt).toBeInstanceOf(Date);
  expect(await rotations()).toEqual([other, [key, { driver: "generated", state: "active", nextDueAt }]]);

  const id = await secrets.rotation.rotate(operator, { company, secretKey: key, urgent: false });
  const running = { driver: "generated", state: "active", nextDueAt };
  expect(await rotations()).toEqual([other, [key, { ...running, run: { id, state: "running" } }]]);
  await secrets.runs.work["rotate-secret"]?.(id, signal);
  expect(await rotations()).toEqual([other, [key, { ...running, run: { id, state: "waiting" } }]]);

  await secrets.rotation.people.abort(operator, { company, run: id });
  await secrets.runs.work["rotate-secret"]?.(id, signal);
  await secrets.rotation.pause(operator, { company, secretKey: key });
  expect(await rotations()).toEqual([other, [key, { driver: "generated", state: "paused" }]]);
});

test("a run that waits for a person is shown as that", async () => {
  const { company, set, rotations } = await begin();
  await set({ driver: "guided", settings: '{"provider":"any"}' });
  const id = await secrets.rotation.rotate(operator, { company, secretKey: key, urgent: false });
  await secrets.runs.work["rotate-secret"]?.(id, signal);
  expect(await rotations()).toContainEqual([
    key,
    { driver: "guided", state: "active", run: { id, state: "person" } },
  ]);
});

test("a company's list shows nothing of another company's rotations", async () => {
  const [one, two] = [await begin(), await begin()];
  await one.set({ schedule: { every: "P30D" } });
  expect(await two.rotations()).toEqual([
    ["CUSTOM_OTHER", undefined],
    [key, undefined],
  ]);
  const [row] = await superuser<{ count: number }[]>`
    select count(*)::integer as count from rotations_of_company()`;
  expect(row).toEqual({ count: 0 });
});

test("what has versions can be rotated, and a company on Infisical cannot", async () => {
  for (const store of ["infisical", "hybrid", "database"] as const) {
    const company = await fixture.company(store);
    const { rotation } = await secrets.company(company, product).capabilities();
    expect(rotation, store).toBe(store !== "infisical");
  }
});
