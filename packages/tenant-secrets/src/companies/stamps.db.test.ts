import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CompanyStamp } from "@repo/catalog";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import type { ServingProcess } from "../keys/rotation/process-registry.ts";

const fixture = await createFixture();
const [one, other] = [fixture.another(), fixture.another()];
const both = [one, other];
const serving: ServingProcess[] = [];

/** A company that changes only to tell that everything before was heard. */
let beacon = "";

beforeAll(async () => {
  beacon = await fixture.company("database");
  for (const each of both) serving.push(await each.serve(fixture.urls.listener, () => {}));
});
afterAll(() => Promise.all(serving.map((each) => each.stop())));

const stampsOf = (company: string) => Promise.all(both.map(({ stamps }) => stamps.get(operator, company)));
const counters = ["secrets", "members", "apiKeys"] as const;

/** Notifications arrive in the order of their commits. */
async function everythingIsHeard(): Promise<void> {
  const before = await stampsOf(beacon);
  await fixture.superuser`
    select pg_notify('tenant_secrets', 'company-members ' || id) from companies where subdomain = ${beacon}`;
  await expect
    .poll(async () => (await stampsOf(beacon)).every(({ members }, i) => members > (before[i]?.members ?? 0)))
    .toBe(true);
}

/** The counters that a change moved, in both processes. */
async function movedBy(company: string, change: () => Promise<unknown>): Promise<string[]> {
  await everythingIsHeard();
  const before = await stampsOf(company);
  await change();
  await everythingIsHeard();
  const after = await stampsOf(company);
  const moved = after.map((stamp, i) => counters.filter((each) => stamp[each] !== before[i]?.[each]));
  expect(moved[0]).toEqual(moved[1]);
  return moved[0] ?? [];
}

const inAnHour = () => new Date(Date.now() + 3_600_000);
const newKey = { name: "made", verbs: ["use"], secretKeys: ["*"], platform: false } as const;

describe("a change by a third process moves, in every process, the counter of", () => {
  const { secrets } = fixture;

  test.each(["database", "hybrid", "infisical"] as const)("secrets, in the %s store", async (store) => {
    const company = await fixture.company(store);
    expect(
      await movedBy(company, () => secrets.company(company, product).set("CUSTOM_A", "fake_a_0001")),
    ).toEqual(["secrets"]);
    expect(await movedBy(company, () => secrets.company(company, product).remove("CUSTOM_A"))).toEqual([
      "secrets",
    ]);
  });

  test("members: an invitation that is sent and revoked", async () => {
    const company = await fixture.company("database");
    let id = "";
    const invitation = { email: "ada@example.com", role: "member" } as const;
    const invite = async () => ({ id } = await secrets.invitations.create(operator, company, invitation));
    expect(await movedBy(company, invite)).toEqual(["members"]);
    expect(await movedBy(company, () => secrets.invitations.revoke(operator, company, id))).toEqual([
      "members",
    ]);
  });

  test("members: one who is added, changed and removed", async () => {
    const company = await fixture.company("database");
    const member = { email: "ada@example.com", name: "Ada", role: "member" } as const;
    let userId = "";
    const add = async () => ({ userId } = await secrets.members.add(operator, company, member));
    expect(await movedBy(company, add)).toEqual(["members"]);
    const change = () => secrets.members.change(operator, company, { userId, role: "admin" });
    expect(await movedBy(company, change)).toEqual(["members"]);
    expect(await movedBy(company, () => secrets.members.remove(operator, company, { userId }))).toEqual([
      "members",
    ]);
  });

  test("API keys: its own, and a platform key that may enter it, made and revoked", async () => {
    const company = await fixture.company("database");
    for (const platform of [false, true]) {
      let id = "";
      const make = async () => {
        const made = { ...newKey, platform, companies: [company], expiresAt: inAnHour() };
        ({ id } = (await secrets.apiKeys.create(operator, made)).description);
      };
      expect(await movedBy(company, make)).toEqual(["apiKeys"]);
      expect(await movedBy(company, () => secrets.apiKeys.revoke(operator, company, id))).toEqual([
        "apiKeys",
      ]);
    }
  });

  test("nothing of another company, and nothing for a read or the use of a key", async () => {
    const [mine, theirs] = [await fixture.company("database"), await fixture.company("database")];
    await secrets.company(mine, product).set("CUSTOM_A", "fake_a_0001");
    const key = { ...newKey, companies: [mine], expiresAt: inAnHour() };
    const { apiKey: credential } = await secrets.apiKeys.create(operator, key);
    const change = async () => {
      await secrets.company(theirs, product).set("CUSTOM_A", "fake_a_0001");
      await secrets.company(mine, await secrets.authenticate({ credential })).get("CUSTOM_A");
      await fixture.person(theirs, "owner");
    };
    expect(await movedBy(mine, change)).toEqual([]);
  });
});

test("two processes name different sources, and one process always the same", async () => {
  const company = await fixture.company("database");
  const [first, second] = await stampsOf(company);
  expect(first?.source).not.toBe(second?.source);
  expect((await stampsOf(company))[0]?.source).toBe(first?.source);
});

test("a lost listener moves every counter of its process, also of a change that it missed, and none of another process", async () => {
  const company = await fixture.company("database");
  await everythingIsHeard();
  const before = await stampsOf(company);
  const [row] = await fixture.superuser`
    select pid from pg_stat_activity where application_name = 'tenant-secrets listener' and datname = current_database()
    order by backend_start limit 1`;
  await fixture.superuser`select pg_terminate_backend(${row?.["pid"] ?? 0})`;
  await fixture.person(company, "member");
  const moved = (stamp: CompanyStamp | undefined, was: CompanyStamp | undefined) =>
    counters.filter((each) => stamp?.[each] !== was?.[each]);
  await expect
    .poll(async () => moved((await stampsOf(company))[0], before[0]), { timeout: 60_000 })
    .toEqual([...counters]);
  expect(moved((await stampsOf(company))[1], before[1])).toEqual(["members"]);
});

test("a company that the caller may not enter has no stamp", async () => {
  const [mine, theirs] = [await fixture.company("database"), await fixture.company("database")];
  const member = await fixture.person(mine, "member");
  expect(Object.keys(await one.stamps.get(member, mine)).toSorted()).toEqual(
    [...counters, "source"].toSorted(),
  );
  expect(await codeOf(one.stamps.get(member, theirs))).toBe("NOT_FOUND");
  expect(await codeOf(one.stamps.get(member, "nobody-here"))).toBe("NOT_FOUND");
});
