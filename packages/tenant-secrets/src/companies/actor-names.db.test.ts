import { beforeAll, expect, test } from "vitest";
import type { Caller } from "@repo/catalog";
import { createCaller } from "../router/router.ts";
import { createCallerContext } from "../router/trpc.ts";
import { createFixture, operator, product, type Fixture, type Person } from "../testing/fixture.ts";

let fixture: Fixture;
let first: string;
let second: string;
let mia: Person;
let owner: Person;
let ownKey: Caller & { readonly id: string };
let platformKey: Caller & { readonly id: string };

const inAnHour = () => new Date(Date.now() + 3_600_000);
const api = (caller: Caller) => createCaller(createCallerContext(fixture.secrets, caller));

async function keyOf(name: string, companies: string[], platform: boolean) {
  const { apiKey, description } = await fixture.secrets.apiKeys.create(operator, {
    name,
    companies,
    platform,
    verbs: ["describe", "use", "write", "delete"],
    secretKeys: ["*"],
    expiresAt: inAnHour(),
  });
  return { ...(await fixture.secrets.authenticate({ credential: apiKey })), id: description.id };
}

/** Mia belongs to two companies under two names, and leaves the first one after her work. */
beforeAll(async () => {
  fixture = await createFixture();
  first = await fixture.company("database");
  second = await fixture.company("database");
  owner = await fixture.person(first, "owner");
  const member = { email: "mia@example.com", role: "admin" } as const;
  const { userId } = await fixture.secrets.members.add(operator, first, { ...member, name: "Mia First" });
  await fixture.secrets.members.add(operator, second, { ...member, name: "Mia Second" });
  const headers = new Headers({ "x-test-user": userId });
  mia = { ...(await fixture.secrets.authenticate({ headers })), userId, headers };
  ownKey = await keyOf("Key of the first", [first], false);
  platformKey = await keyOf("Key of the platform", [first, second], true);
  for (const [caller, secretKey] of [
    [mia, "CUSTOM_PERSON"],
    [ownKey, "CUSTOM_KEY"],
    [platformKey, "CUSTOM_PLATFORM"],
    [product, "CUSTOM_JOB"],
    [mia, "CUSTOM_REMOVED"],
  ] as const) {
    await api(caller).secrets.write({ company: first, secretKey, value: "fake_first_0001" });
  }
  await api(mia).secrets.write({ company: second, secretKey: "CUSTOM_PERSON", value: "fake_second_0001" });
  await api(mia).secrets.remove({ company: first, secretKey: "CUSTOM_REMOVED" });
  await fixture.secrets.members.remove(operator, first, { userId });
});

const names = {
  CUSTOM_JOB: undefined,
  CUSTOM_KEY: "Key of the first",
  CUSTOM_PERSON: "Mia First",
  CUSTOM_PLATFORM: undefined,
};

test("a list of secrets names who made each current version, people also after they left", async () => {
  const { secrets } = await api(owner).secrets.list({ company: first });
  const found = Object.fromEntries(secrets.map(({ secretKey, updatedBy }) => [secretKey, updatedBy?.name]));
  expect(found).toEqual(names);
  expect(secrets.map(({ updatedBy }) => updatedBy?.kind)).toEqual(["job", "service", "user", "service"]);
  expect(secrets.find(({ secretKey }) => secretKey === "CUSTOM_PERSON")?.updatedBy?.id).toBe(mia.userId);
});

test("a history names the actor of each version", async () => {
  await api(owner).secrets.write({ company: first, secretKey: "CUSTOM_KEY", value: "fake_first_0002" });
  const { versions } = await api(owner).secrets.history({ company: first, secretKey: "CUSTOM_KEY" });
  expect(versions.map(({ actor }) => actor.name)).toEqual(["Test owner", "Key of the first"]);
});

test("the removed secrets are listed with who removed them, until they can no longer be restored", async () => {
  const removed = await api(owner).secrets.removed({ company: first });
  expect(removed.secrets).toEqual([
    {
      secretKey: "CUSTOM_REMOVED",
      label: "Custom integration key",
      version: 1,
      removedAt: expect.any(Date),
      removedBy: { kind: "user", id: mia.userId, name: "Mia First" },
      restorableUntil: expect.any(Date),
    },
  ]);
  expect(await api(ownKey).secrets.removed({ company: first })).toEqual(removed);
  const narrow = await fixture.secrets.apiKeys.create(operator, {
    name: "narrow",
    companies: [first],
    platform: false,
    verbs: ["describe"],
    secretKeys: ["CUSTOM_KEY"],
    expiresAt: inAnHour(),
  });
  const caller = await fixture.secrets.authenticate({ credential: narrow.apiKey });
  expect(await api(caller).secrets.removed({ company: first })).toEqual({ secrets: [] });
  await api(owner).secrets.purge({ company: first, secretKey: "CUSTOM_REMOVED" });
  expect(await api(owner).secrets.removed({ company: first })).toEqual({ secrets: [] });
});

test("a company's audit log names its own people and keys, and nothing that only others or the platform know", async () => {
  const { events } = await api(owner).audit.list({ company: first, actions: ["secret.write"], limit: 100 });
  const found = Object.fromEntries(events.map(({ secretKey, actorName }) => [secretKey, actorName]));
  expect(found).toEqual({ ...names, CUSTOM_REMOVED: "Mia First" });
  expect(JSON.stringify(events)).not.toMatch(/Mia Second|Key of the platform|Second/);
  const created = await api(owner).audit.list({ company: first, actions: ["company.create"] });
  expect(created.events).toEqual([
    expect.objectContaining({ actorId: "test-operator", actorName: undefined }),
  ]);
});

test("operators see each person's name in the company of the event, and the platform's keys", async () => {
  const { events } = await api(operator).audit.list({ actions: ["secret.write"], actors: [mia.userId] });
  expect(events.map(({ actorName }) => actorName)).toEqual(["Mia Second", "Mia First", "Mia First"]);
  const ofKey = await api(operator).audit.list({ actions: ["secret.write"], actors: [platformKey.id] });
  expect(ofKey.events.map(({ actorName }) => actorName)).toEqual(["Key of the platform"]);
});

test("an event whose actor id is no id of ours has no name, and does not fail the page", async () => {
  await fixture.superuser`
    insert into audit_events (id, company_id, occurred_at, actor_kind, actor_id, action, outcome, nonce, mac_key_version, mac)
    select gen_random_uuid(), id, now(), kind, actor, 'secret.read', 'denied', decode(repeat('00', 16), 'hex'), 1,
      decode(repeat('00', 32), 'hex')
    from companies, (values ('user', '__proto__'), ('service', '*'), ('anonymous', 'tsk_fake')) actors (kind, actor)
    where subdomain = ${first}`;
  const { events } = await api(owner).audit.list({ company: first, outcomes: ["denied"] });
  expect(events.map(({ actorId, actorName }) => [actorId, actorName])).toEqual(
    expect.arrayContaining([
      ["__proto__", undefined],
      ["*", undefined],
      ["tsk_fake", undefined],
    ]),
  );
});
