import { describe, expect, test } from "vitest";
import type { Caller } from "@repo/catalog";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
const { apiKeys } = secrets;
const dayMs = 86_400_000;

async function make(caller: Caller = operator, platform = false) {
  const company = await fixture.company("database");
  await secrets.company(company, product).set("CUSTOM_A", "fake_a_0001");
  const as = caller === operator ? operator : { ...(await fixture.person(company, "owner")) };
  const key = {
    name: "billing",
    companies: [company],
    platform,
    verbs: ["use"],
    secretKeys: ["CUSTOM_*"],
    addresses: ["192.0.2.0/24"],
    expiresAt: new Date(Date.now() + 90 * dayMs),
  } as const;
  return { company, as, ...(await apiKeys.create(as, key)) };
}
const read = async (credential: string, company: string) =>
  secrets.company(company, await secrets.authenticate({ credential, address: "192.0.2.7" })).get("CUSTOM_A");

describe("the rotation of an API key", () => {
  test("makes a key with the same scopes and its whole lifetime, beside the old one until the window ends", async () => {
    const { company, apiKey, description } = await make();
    await superuser`update api_keys set created_at = created_at - interval '80 days' where id = ${description.id}`;
    const before = Date.now();
    const rotated = await apiKeys.rotate(operator, company, { id: description.id, graceSeconds: 3600 });
    const { name, companies, verbs, secretKeys, addresses, platform } = description;
    expect(rotated.description).toMatchObject({ name, companies, verbs, secretKeys, addresses, platform });
    expect(rotated.description.id).not.toBe(description.id);
    // It was made for 170 days by now.
    expect((rotated.description.expiresAt.getTime() - before) / dayMs).toBeCloseTo(170, 2);
    expect((rotated.oldEndsAt.getTime() - before) / 1000).toBeCloseTo(3600, -1);
    expect(await Promise.all([read(apiKey, company), read(rotated.apiKey, company)])).toEqual([
      "fake_a_0001",
      "fake_a_0001",
    ]);
    await superuser`update api_keys set expires_at = now() where id = ${description.id}`;
    await fixture.remacRows();
    expect(await codeOf(read(apiKey, company))).toBe("UNAUTHENTICATED");
    expect(await read(rotated.apiKey, company)).toBe("fake_a_0001");
  });

  test("ends the old key at once without a window, and prolongs none", async () => {
    const { company, apiKey, description } = await make();
    const { apiKey: next, oldEndsAt } = await apiKeys.rotate(operator, company, {
      id: description.id,
      graceSeconds: 0,
    });
    expect(oldEndsAt.getTime()).toBeLessThanOrEqual(Date.now() + 1000);
    expect(await codeOf(read(apiKey, company))).toBe("UNAUTHENTICATED");
    expect(await read(next, company)).toBe("fake_a_0001");
    expect(await codeOf(apiKeys.rotate(operator, company, { id: description.id, graceSeconds: 60 }))).toBe(
      "CONFLICT",
    );
    const short = await make();
    await superuser`update api_keys set expires_at = now() + interval '1 minute' where id = ${short.description.id}`;
    await fixture.remacRows();
    const ending = await apiKeys.rotate(operator, short.company, {
      id: short.description.id,
      graceSeconds: 86_400,
    });
    expect(ending.oldEndsAt.getTime()).toBeLessThan(Date.now() + 61_000);
  });

  test("takes the companies of a platform key along, and only operators may do it", async () => {
    const { company, description } = await make(operator, true);
    const owner = await fixture.person(company, "owner");
    const rotation = { id: description.id, graceSeconds: 60 };
    expect(await codeOf(apiKeys.rotate(owner, company, rotation))).toBe("NOT_FOUND");
    const { apiKey, description: next } = await apiKeys.rotate(operator, company, rotation);
    expect(next).toMatchObject({ platform: true, companies: [company] });
    expect(await read(apiKey, company)).toBe("fake_a_0001");
  });

  test("refuses a key whose row was changed by another party", async () => {
    const { company, description } = await make();
    await superuser`update api_keys set verbs = '{use,write}' where id = ${description.id}`;
    expect(await codeOf(apiKeys.rotate(operator, company, { id: description.id, graceSeconds: 60 }))).toBe(
      "INTEGRITY_FAILURE",
    );
  });

  test("is in the audit log with both keys, and the log is verified with their rows", async () => {
    const { company, description } = await make();
    const { description: next } = await apiKeys.rotate(operator, company, {
      id: description.id,
      graceSeconds: 60,
    });
    const { events } = await secrets.audit.list(operator, { company });
    const made = events.filter(({ action }) => action.startsWith("api-key."));
    expect(made.map(({ action, subject }) => [action, subject])).toEqual(
      expect.arrayContaining([
        ["api-key.rotate", description.id],
        ["api-key.create", next.id],
      ]),
    );
    const rows = await superuser`select k.revision, e.version from api_keys k
      join audit_events e on e.subject = k.id::text and e.action in ('api-key.rotate', 'api-key.create')
      where k.id in (${description.id}, ${next.id}) and e.position = (select max(position) from audit_events where subject = k.id::text)`;
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(row["version"]).toBe(row["revision"]);
  });
});

test("a list names who made a key: a person by the name in the company, an operator for operators alone", async () => {
  const { company, as: owner } = await make({ ...operator });
  const made = {
    name: "by ops",
    companies: [company],
    platform: false,
    verbs: ["use"],
    secretKeys: ["*"],
  } as const;
  const { id, token } = await secrets.operators.create(product, {
    name: "Ada of the platform",
    expiresAt: new Date(Date.now() + dayMs),
  });
  const ada = await secrets.authenticate({ credential: token });
  await apiKeys.create(ada, { ...made, expiresAt: new Date(Date.now() + dayMs) });
  const makers = async (caller: Caller) =>
    (await apiKeys.list(caller, company)).map(({ createdBy }) => createdBy);
  const person = { kind: "user", id: owner.actor.id, name: "Test owner" };
  expect(await makers(ada)).toEqual([{ kind: "operator", id, name: "Ada of the platform" }, person]);
  expect(await makers(owner)).toEqual([{ kind: "operator", id, name: undefined }, person]);
});
