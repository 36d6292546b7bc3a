import { expect, test } from "vitest";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { newRegion } from "../testing/regions.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
await secrets.prepare();

const fail = ({ message }: Error): never => expect.unreachable(message);
const beatOf = async (region: string) => {
  const [row] = await superuser<{ at: Date }[]>`
    select beat_at as at from region_beats where target_region = ${region} and home_region = 'default'`;
  return row?.at.getTime();
};

test("a deployment without other regions tells of none, and writes no beats", async () => {
  expect(await secrets.regionStatus.status(operator)).toEqual({ region: "default", others: [] });
  const beating = secrets.startBeats(fail);
  // Its first look is over once the next one has begun.
  await expect.poll(() => secrets.regionStatus.look()).toEqual([]);
  await beating.stop();
  expect([...(await superuser`select from region_beats`)]).toEqual([]);
});

test("a company that is copied to a region that nothing is published for is a fault, with what it has for it", async () => {
  await secrets.regions.add(operator, newRegion("us"));
  await secrets.regions.add(operator, newRegion("idle"));
  const company = await fixture.company("database");
  await secrets.company(company, product).set("CUSTOM_A", "fake-a-0001");
  await secrets.companyRegions.add(operator, company, { region: "us" });
  const { others } = await secrets.regionStatus.status(operator);
  expect(others).toMatchObject([
    { region: "idle", sends: { companies: 0, copies: 0, faults: [] }, takes: { copies: 0, faults: [] } },
    {
      region: "us",
      address: "https://us.example.com",
      sends: { companies: 1, copies: 3, faults: ["publication-changed", "slot-lost"], walBytes: 0 },
      takes: { copies: 0, faults: [], refusals: 0 },
    },
  ]);
  expect(await secrets.regionStatus.look()).toEqual([
    { region: "idle", faults: [], walBytes: 0 },
    { region: "us", faults: ["publication-changed", "slot-lost"], walBytes: 0 },
  ]);
  expect(await codeOf(secrets.regionStatus.status(product))).toBe("FORBIDDEN");
});

test("two processes beat, and go on when one of them stops", async () => {
  const [one, two] = [secrets.startBeats(fail), fixture.another().startBeats(fail)];
  await expect.poll(() => beatOf("us")).toBeTypeOf("number");
  await one.stop();
  const before = (await beatOf("us")) ?? 0;
  await expect.poll(() => beatOf("us")).toBeGreaterThan(before);
  await two.stop();
});
