import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { InfisicalError } from "@repo/infisical";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { codeOf, createFixture, operator, type Fixture } from "../testing/fixture.ts";

let fixture: Fixture;
const folder = "/hono-api";
const namesIn = async () =>
  (await fixture.infisical.listSecrets(folder))
    .map(({ secretKey }) => secretKey)
    .filter((name) => name.startsWith("SIGN_IN_SECRET"));
const versionsOf = async ({ signInSecrets }: Fixture["secrets"]) =>
  (await signInSecrets.load()).map(({ version }) => version);
const later = (minutes: number) => vi.setSystemTime(Date.now() + minutes * 60_000);

beforeEach(async () => {
  fixture = await createFixture();
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("the first start makes it, and processes that start together have the same one", async () => {
  await fixture.infisical.deleteSecret(folder, "SIGN_IN_SECRET");
  const processes = [fixture.another(), fixture.another(), fixture.another()];
  await Promise.all(processes.map((each) => each.prepare()));
  const loaded = await Promise.all(processes.map(({ signInSecrets }) => signInSecrets.load()));
  const kept = await fixture.infisical.findSecret(folder, "SIGN_IN_SECRET");
  expect(loaded).toEqual(loaded.map(() => [{ version: 1, value: kept?.value }]));
  expect(await namesIn()).toEqual(["SIGN_IN_SECRET"]);
});

test("processes that find none at the same instant agree on one, however slow each is", async () => {
  await fixture.infisical.deleteSecret(folder, "SIGN_IN_SECRET");
  const inAnyOrder = [150, 0, 300].map((delayMs) => {
    const infisical: typeof fixture.infisical = {
      ...fixture.infisical,
      putSoleSecret: async (...put) => {
        await sleep(delayMs);
        return fixture.infisical.putSoleSecret(...put);
      },
    };
    return fixture.another({ infisical }).signInSecrets;
  });
  const loaded = await Promise.all(inAnyOrder.map((secrets) => secrets.load()));
  const kept = await fixture.infisical.findSecret(folder, "SIGN_IN_SECRET");
  expect(loaded).toEqual(loaded.map(() => [{ version: 1, value: kept?.value }]));
  const rotated = await Promise.all(inAnyOrder.map((secrets) => secrets.rotate(operator)));
  expect(rotated.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual([2, 3, 4]);
});

test("a new version signs once every process knows it, and the mails of the earlier one are sent", async () => {
  const sent: string[] = [];
  const publicUrl = "https://admin.example.test";
  const serving = fixture.another({ mail: { send: async ({ to }) => void sent.push(to), publicUrl } });
  expect(await versionsOf(serving)).toEqual([1]);
  const email = "pat@example.test";
  const company = await fixture.company("database");
  await serving.invitations.create(operator, company, { email, role: "member" });
  const [job] =
    await fixture.superuser`select payload->>'encrypted' as mail from graphile_worker._private_jobs`;
  const encrypted = String(job?.["mail"]);

  expect(await fixture.secrets.signInSecrets.rotate(operator)).toMatchObject({ version: 2 });
  expect(await versionsOf(fixture.another())).toEqual([1, 2]);
  later(2);
  expect(await versionsOf(serving)).toEqual([1, 2]);
  later(4);
  expect(await versionsOf(serving)).toEqual([2, 1]);
  await serving.mailing?.deliver(encrypted, randomUUID());
  expect(sent).toEqual([email]);

  await fixture.infisical.deleteSecret(folder, "SIGN_IN_SECRET");
  later(2);
  expect(await versionsOf(serving)).toEqual([2]);
  expect(await codeOf(serving.mailing?.deliver(encrypted, randomUUID()) ?? Promise.resolve())).toBe(
    "INTEGRITY_FAILURE",
  );
  const events = await fixture.superuser`
    select outcome from audit_events where action = 'key.rotate-sign-in' order by position`;
  expect(events.map(({ outcome }) => outcome)).toEqual(["attempted", "success"]);
});

test("only operators rotate it", async () => {
  const owner = await fixture.person(await fixture.company("database"), "owner");
  expect(await codeOf(fixture.secrets.signInSecrets.rotate(owner))).toBe("FORBIDDEN");
  expect(await namesIn()).toEqual(["SIGN_IN_SECRET"]);
});

test("it stays in use while Infisical is down, and a process that has never read it says so", async () => {
  let isDown = false;
  const infisical = {
    ...fixture.infisical,
    listSecrets: async (path: string) => {
      if (isDown) throw new InfisicalError("UNREACHABLE");
      return fixture.infisical.listSecrets(path);
    },
  };
  const [running, starting] = [fixture.another({ infisical }), fixture.another({ infisical })];
  const before = await running.signInSecrets.load();
  isDown = true;
  later(2);
  expect(await running.signInSecrets.load()).toBe(before);
  expect(await codeOf(starting.signInSecrets.load())).toBe("KEY_UNAVAILABLE");
});

test("one that is too short is refused", async () => {
  await fixture.infisical.putSecret(folder, "SIGN_IN_SECRET", "fake-short-secret");
  expect(await codeOf(fixture.another().signInSecrets.load())).toBe("KEY_UNAVAILABLE");
});
