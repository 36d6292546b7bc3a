import { TRPCError } from "@trpc/server";
import { z } from "zod";
import { beforeAll, describe, expect, test } from "vitest";
import type { Caller } from "@repo/catalog";
import { createFixture, operator, product, silentUrl } from "../testing/fixture.ts";
import { newRegion } from "../testing/regions.ts";
import { appRouter, createCaller } from "./router.ts";
import { createCallerContext, publicError } from "./trpc.ts";

// One operator makes every request here, ten times concurrently.
const fixture = await createFixture(undefined, { sensitiveCallsPerMinute: 1000 });
const { secrets, superuser } = fixture;

interface Procedure {
  readonly _def: { readonly type: string; readonly inputs: readonly unknown[] };
}
const mutations = Object.entries(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tRPC keeps them by path, whatever its types say
  appRouter._def.procedures as unknown as Record<string, Procedure>,
).filter(([, { _def }]) => _def.type === "mutation");
const takesRequestId = new Set(
  mutations
    .filter(([, { _def }]) =>
      _def.inputs.some((input) => input instanceof z.ZodObject && "requestId" in input.shape),
    )
    .map(([path]) => path),
);

const reads = "it changes nothing but the audit log";
const sets = "it sets what it names: done again, it changes nothing more";
/** Why a mutation needs no request id. */
const without: Readonly<Record<string, string>> = {
  "secrets.read": reads,
  "secrets.readMany": reads,
  "secrets.readActive": reads,
  "secrets.reveal": reads,
  "secrets.search": reads,
  "secrets.export": reads,
  "secrets.planImport": reads,
  "secrets.check": "it asks the provider again, and keeps what that says last",
  "secrets.reportOutcome": sets,
  "me.active": sets,
  "me.setName": sets,
  "me.setPassword": sets,
  "me.sessions.end": sets,
  "me.sessions.endOthers": sets,
  "me.totp.begin": "the last secret counts, and none before `finish`",
  "me.totp.finish": "a code counts once",
  "me.totp.remove": sets,
  "me.passkeys.begin": "a challenge counts once, and none before `finish`",
  "me.passkeys.finish": "the answer to a challenge counts once",
  "me.passkeys.rename": sets,
  "me.passkeys.remove": "a passkey that was removed is not found again",
  "me.backupCodes.renew": "the last codes count",
  "companies.setRecovery": sets,
  "companies.setSecondFactor": sets,
  "companies.setExternalKey": sets,
  "companies.removeExternalKey": sets,
  "companies.suspend": sets,
  "companies.shred": "what is destroyed stays destroyed, and it answers with the same receipt",
  "companies.resume": sets,
  "companies.delete": "one deletion is scheduled at a time, and a repeat is told so",
  "companies.keep": "a deletion is undone once",
  "companies.apiKeys.revoke": sets,
  "companies.members.change": sets,
  "invitations.resend": "one more link takes the place of the earlier one",
  "invitations.revoke": sets,
  "invitations.look": reads,
  "invitations.accept": "an invitation is used once",
  "companies.members.endSessions": sets,
  "users.disable": sets,
  "users.endSessions": sets,
  "users.resetSecondFactor": sets,
  "users.enable": sets,
  "keys.rotate": "it takes up the rotation that there is; one more after its end loses nothing",
  "keys.rotateCompany": "one more rotation of a company's key loses nothing",
  "keys.verifyReport": reads,
  "keys.destroy": "what is destroyed stays destroyed",
  "companies.move": "one move is under way at a time, and a repeat gets its run",
  "companies.takeOver": "a company is taken over once, and a repeat is told so",
  "companies.leave": sets,
  "regions.add": sets,
  "regions.remove": sets,
  "approvals.give": "a request is answered once, and a repeat is told that it was",
  "approvals.refuse": "a request is answered once, and a repeat is told that it was",
  "migrations.plan": reads,
  "migrations.copy": "one more copy finds nothing to bring in",
  "migrations.verify": reads,
  "migrations.switch": "a company that has the store already is left as it is",
  "migrations.rollback": "a company that has the store already is left as it is",
  "migrations.cleanup": "what is removed is not found again, and the number of folders is another one then",
  "migrations.mirror": sets,
  "rotation.setPolicy": sets,
  "rotation.removePolicy": "a policy that was removed is not found again",
  "rotation.pause": sets,
  "rotation.resume": "a policy that is active is left as it is, and a repeat is told so",
  "rotation.rotate": "it answers with the run that is under way",
  "rotation.rotateCompromised": "it answers with the runs that are under way",
  "rotation.supply": "a run takes one value, and a repeat is told that it waits for none",
  "rotation.confirm": "a run is confirmed once, and a repeat is told that it waits for nothing",
  "rotation.endOrphan": "a credential that has ended is left as it is",
  "rotation.abort": "a run is aborted once, and a repeat is told so",
  "rotation.fallBack": "a run falls back once, and a repeat is told so",
  "webhooks.update": sets,
  "webhooks.pause": sets,
  "webhooks.resume": "an endpoint that is active is left as it is, and a repeat is told so",
  "webhooks.remove": "an endpoint that was removed is not found again",
  "webhooks.test": "one more test changes nothing",
  "webhooks.replay": "what is sent once more has the same ids, which its receiver knows",
  "runs.pause": sets,
  "runs.resume": sets,
  "runs.cancel": sets,
  "audit.verify": "a verification that waits is the one that was asked for; one more changes nothing",
};

test("every mutation takes a request id, or has a reason to need none", () => {
  const paths = mutations.map(([path]) => path);
  expect(paths.length).toBeGreaterThan(30);
  expect(paths.filter((path) => !takesRequestId.has(path)).toSorted()).toEqual(
    Object.keys(without).toSorted(),
  );
});

const inAnHour = () => new Date(Date.now() + 3_600_000);
const key = "CUSTOM_KEY";
let acme = "";
const theirs = () => secrets.company(acme, product);

const newKeyOf = (company: string) =>
  ({ name: "made", companies: [company], platform: false, verbs: ["use"], secretKeys: ["*"] }) as const;

const us = newRegion("us");
const knowUs = () => secrets.regions.add(operator, us);

const newEndpoint = { url: silentUrl, description: "", perSecond: 1 };

/** An input of a change, and a different input under the same request id. */
interface Change {
  readonly caller?: Caller;
  readonly before?: () => Promise<unknown>;
  readonly input: () => object | Promise<object>;
  readonly other: object;
}

const changes: Readonly<Record<string, Change>> = {
  "secrets.write": {
    input: () => ({ company: acme, secretKey: key, value: "fake-two", expectedVersion: 1 }),
    other: { value: "fake-other" },
  },
  "secrets.generate": {
    input: () => ({ company: acme, secretKey: "WEBHOOK_SIGNING_SECRET", expectedVersion: 0 }),
    other: { note: "another one" },
  },
  "secrets.writeMany": {
    input: () => ({ company: acme, writes: [{ secretKey: key, value: "fake-two", expectedVersion: 1 }] }),
    other: { writes: [{ secretKey: key, value: "fake-other", expectedVersion: 1 }] },
  },
  "secrets.import": {
    input: () => ({
      company: acme,
      entries: [{ secretKey: key, text: "fake-two", line: 1 }],
      expected: [{ secretKey: key, version: 1 }],
    }),
    other: { note: "another one" },
  },
  "secrets.stage": {
    input: () => ({ company: acme, secretKey: key, value: "fake-two" }),
    other: { replace: true },
  },
  "secrets.promote": {
    before: () => theirs().stage(key, "fake-two"),
    input: () => ({ company: acme, secretKey: key, expectedVersion: 1, pendingVersion: 2 }),
    other: { pendingVersion: 3 },
  },
  "secrets.discard": {
    before: () => theirs().stage(key, "fake-two"),
    input: () => ({ company: acme, secretKey: key, pendingVersion: 2 }),
    other: { pendingVersion: 3 },
  },
  "secrets.rollback": {
    before: () => theirs().set(key, "fake-two"),
    input: () => ({ company: acme, secretKey: key, toVersion: 1, expectedVersion: 2 }),
    other: { note: "another one" },
  },
  "secrets.setExpiry": {
    input: () => ({ company: acme, secretKey: key, expiresAt: new Date("2090-01-01") }),
    other: { expiresAt: null },
  },
  "secrets.remove": {
    input: () => ({ company: acme, secretKey: key, expectedVersion: 1 }),
    other: { expectedVersion: 0 },
  },
  "secrets.restore": {
    before: () => theirs().remove(key),
    input: () => ({ company: acme, secretKey: key }),
    other: { secretKey: "CUSTOM_OTHER" },
  },
  "secrets.purge": {
    before: () => theirs().remove(key),
    input: () => ({ company: acme, secretKey: key }),
    other: { force: true },
  },
  "companies.create": {
    caller: operator,
    input: () => ({ subdomain: `made-${crypto.randomUUID()}`, secretStore: "database" }),
    other: { secretStore: "hybrid" },
  },
  "companies.rename": {
    caller: operator,
    input: () => ({ company: acme, subdomain: `renamed-${crypto.randomUUID()}` }),
    other: { subdomain: "renamed-otherwise" },
  },
  "companies.members.add": {
    caller: operator,
    input: () => ({ company: acme, email: `${crypto.randomUUID()}@example.com`, name: "Ada", role: "admin" }),
    other: { role: "owner" },
  },
  "invitations.create": {
    caller: operator,
    input: () => ({ company: acme, email: `${crypto.randomUUID()}@example.com`, role: "admin" }),
    other: { role: "owner" },
  },
  "companies.members.remove": {
    caller: operator,
    input: async () => {
      const { userId } = await fixture.person(acme, "admin");
      return { company: acme, userId, revokeApiKeys: true };
    },
    other: { revokeApiKeys: false },
  },
  "companies.regions.add": {
    caller: operator,
    before: knowUs,
    input: () => ({ company: acme, region: "us" }),
    other: { region: "ap" },
  },
  "companies.regions.remove": {
    caller: operator,
    before: async () => {
      await knowUs();
      await secrets.companyRegions.add(operator, acme, { region: "us" });
    },
    input: () => ({ company: acme, region: "us" }),
    other: { region: "ap" },
  },
  "companies.apiKeys.create": {
    caller: operator,
    input: () => ({ ...newKeyOf(acme), expiresAt: inAnHour() }),
    other: { verbs: ["use", "write"] },
  },
  "companies.apiKeys.rotate": {
    caller: operator,
    input: async () => {
      const made = { ...newKeyOf(acme), expiresAt: inAnHour() };
      const { description } = await secrets.apiKeys.create(operator, made);
      return { company: acme, id: description.id, graceSeconds: 60 };
    },
    other: { graceSeconds: 61 },
  },
  "webhooks.create": {
    caller: operator,
    input: () => ({ url: silentUrl }),
    other: { description: "Another" },
  },
  "webhooks.roll": {
    caller: operator,
    input: async () => {
      const made = await secrets.webhooks.create(operator, newEndpoint);
      return { endpoint: made.endpoint.id, overlapSeconds: 60 };
    },
    other: { overlapSeconds: 61 },
  },
};

test("every mutation with a request id is tested below", () => {
  expect(Object.keys(changes).toSorted()).toEqual([...takesRequestId].toSorted());
});

async function call(path: string, caller: Caller, input: object): Promise<unknown> {
  const procedure: unknown = path
    .split(".")
    .reduce<unknown>(
      (node, part) => Reflect.get(Object(node), part),
      createCaller(createCallerContext(secrets, caller)),
    );
  if (typeof procedure !== "function") throw new Error(`${path} is not callable`);
  try {
    return await procedure(input);
  } catch (error) {
    throw error instanceof TRPCError ? publicError(error) : error;
  }
}

/** Everything that mutations change, without the audit events of retries. */
async function state(): Promise<unknown> {
  const [row] = await superuser`select
    (select json_agg(h order by secret_key, company_id) from company_secrets h) as heads,
    (select json_agg(v order by secret_key, version, company_id) from company_secret_versions v) as versions,
    (select json_agg(c order by id) from companies c) as companies,
    (select json_agg(m order by user_id) from memberships m) as members,
    (select json_agg(r order by company_id) from company_regions r) as regions,
    (select json_agg(c order by company_id, kind, name) from region_copies c) as copies,
    (select json_agg(k order by id) from api_keys k where revoked_at is null) as keys,
    (select json_agg(e order by id) from webhook_endpoints e) as endpoints,
    (select json_agg(d order by id) from webhook_deliveries d) as deliveries`;
  return row;
}

beforeAll(() => secrets.prepare());

const replays = async () => {
  const [row] = await superuser`select count(*)::int as count from audit_events where reason = 'REPLAYED'`;
  return Number(row?.["count"]);
};

async function asking({ before, input }: Change): Promise<object> {
  acme = await fixture.company("database");
  await theirs().set(key, "fake-one");
  await before?.();
  return { ...(await input()), requestId: crypto.randomUUID() };
}

const { "companies.apiKeys.create": newKey, "companies.apiKeys.rotate": rotation, ...answered } = changes;

describe.each(Object.entries(answered))("%s", (path, change) => {
  const { caller = product, other } = change;

  test("a change is applied once by ten concurrent requests and a later one, with one answer, and other content is refused", async () => {
    const asked = await asking(change);
    const before = await replays();
    const answers = await Promise.all(Array.from({ length: 10 }, () => call(path, caller, asked)));
    const applied = await state();
    answers.push(await call(path, caller, asked));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect((await replays()) - before).toBe(10);
    await expect(call(path, caller, { ...asked, ...other })).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("This request id was used for another change"),
    });
    await expect(call(path, caller, { ...asked, requestId: "two words" })).rejects.toMatchObject({
      code: "INVALID_INPUT",
      message: "The request was refused: requestId has 1 to 100 visible ASCII characters.",
    });
    expect(await state()).toEqual(applied);
  });
});

describe("retrying companies.apiKeys.create", () => {
  const path = "companies.apiKeys.create";
  const Created = z.object({ apiKey: z.string(), description: z.object({ id: z.string() }) });
  const create = async (asked: object) => Created.parse(await call(path, operator, asked));
  const active = async () => {
    const rows = await superuser`select k.id from api_keys k join companies c on c.id = k.company_id
      where c.subdomain = ${acme} and k.revoked_at is null`;
    return rows.map((row) => String(row["id"]));
  };
  const ask = async () => {
    if (newKey === undefined) throw new Error("it is tried here");
    return asking(newKey);
  };

  test("a retried creation leaves one active key, the one of the last answer, even if the expiry differs", async () => {
    const asked = await ask();
    const lost = await create(asked);
    const retried = await create({ ...asked, expiresAt: new Date(Date.now() + 7_200_000) });
    expect(retried.apiKey).not.toBe(lost.apiKey);
    expect(await active()).toEqual([retried.description.id]);
    await expect(secrets.authenticate({ credential: lost.apiKey })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
    const all = await Promise.all(Array.from({ length: 10 }, () => create(asked)));
    const [only, ...others] = await active();
    expect(others).toEqual([]);
    expect(all.map(({ description }) => description.id)).toContain(only);
    await expect(create({ ...asked, verbs: ["use", "write"] })).rejects.toMatchObject({ code: "CONFLICT" });
    const rows =
      await superuser`select action, coalesce(reason, '') as reason, count(*)::int as count from audit_events e
      join companies c on c.id = e.company_id where c.subdomain = ${acme} and action like 'api-key.%' and outcome = 'success'
      group by 1, 2 order by 1, 2`;
    expect(rows.map((row) => Object.values(row))).toEqual([
      ["api-key.create", "", 1],
      ["api-key.create", "REPLAYED", 11],
      ["api-key.revoke", "", 11],
    ]);
  });

  test("a retried creation revokes no key that has been used, and does not replace a revoked one", async () => {
    const asked = await ask();
    const { apiKey, description } = await create(asked);
    await secrets.company(acme, await secrets.authenticate({ credential: apiKey })).get(key);
    await expect
      .poll(async () => {
        const [row] = await superuser`select last_used_at as at from api_keys where id = ${description.id}`;
        return row?.["at"];
      })
      .toBeInstanceOf(Date);
    await expect(create(asked)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining(`made the API key ${description.id}, which was used or revoked since`),
    });
    expect(await active()).toEqual([description.id]);
    await secrets.apiKeys.revoke(operator, acme, description.id);
    await expect(create(asked)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await active()).toEqual([]);
  });
});

test.each([0, 60])(
  "a retried rotation with a window of %i s leaves one new key, the one of the last answer, and the old one's end",
  async (graceSeconds) => {
    if (rotation === undefined) throw new Error("it is tried here");
    const asked = { ...(await asking(rotation)), graceSeconds };
    const Rotated = z.object({
      apiKey: z.string(),
      description: z.object({ id: z.string() }),
      oldEndsAt: z.date(),
    });
    const rotate = async (input: object) =>
      Rotated.parse(await call("companies.apiKeys.rotate", operator, input));
    const lost = await rotate(asked);
    const retried = await rotate(asked);
    expect(retried.oldEndsAt).toEqual(lost.oldEndsAt);
    const codes = [lost, retried].map(({ apiKey }) =>
      secrets.authenticate({ credential: apiKey }).then(
        () => "works",
        () => "refused",
      ),
    );
    expect(await Promise.all(codes)).toEqual(["refused", "works"]);
    await expect(rotate({ ...asked, graceSeconds: 61 })).rejects.toMatchObject({ code: "CONFLICT" });
  },
);

test("a retried roll answers with the same secret, until the endpoint is rolled once more", async () => {
  const { secret, endpoint } = await secrets.webhooks.create(operator, newEndpoint);
  const asked = { endpoint: endpoint.id, overlapSeconds: 60, force: true, requestId: "roll-1" };
  const lost = await secrets.webhooks.roll(operator, asked);
  expect(await secrets.webhooks.roll(operator, asked)).toEqual(lost);
  expect(lost.secret).not.toBe(secret);
  await secrets.webhooks.roll(operator, { ...asked, requestId: "roll-2" });
  await expect(secrets.webhooks.roll(operator, asked)).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("rolled since"),
  });
});

test("a request id is separate for each actor, and expires after a day", async () => {
  acme = await fixture.company("database");
  await theirs().set(key, "fake-one");
  await theirs().stage(key, "fake-two");
  const requestId = "r-1";
  const other = { ...product, actor: { ...product.actor, id: "other" } };
  expect(await theirs().promote(key, { requestId })).toEqual({ version: 2 });
  await expect(secrets.company(acme, other).promote(key, { requestId })).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("No version of this secret is pending"),
  });
  const created = { subdomain: `once-${crypto.randomUUID()}`, secretStore: "database", requestId } as const;
  await secrets.companies.create(operator, created);
  await superuser`update write_requests set created_at = created_at - interval '24 hours'`;
  await superuser`update management_requests set created_at = created_at - interval '24 hours'`;
  await expect(theirs().promote(key, { requestId })).rejects.toMatchObject({ code: "CONFLICT" });
  await expect(secrets.companies.create(operator, created)).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("That subdomain is taken"),
  });
  await secrets.companies.create(operator, { ...created, subdomain: `later-${crypto.randomUUID()}` });
});

test("a removal of a secret that only Infisical has is applied once by ten concurrent requests and a later one", async () => {
  acme = await fixture.company("hybrid");
  await fixture.infisical.putSecret(`/tenants/${acme}`, key, "fake-outside");
  const asked = { company: acme, secretKey: key, requestId: "r-buried" };
  const calls = Array.from({ length: 10 }, () => call("secrets.remove", product, asked));
  const answers = [...(await Promise.all(calls)), await call("secrets.remove", product, asked)];
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(await theirs().find(key)).toBeUndefined();
  const unnamed = { company: acme, secretKey: key };
  await expect(call("secrets.remove", product, unnamed)).rejects.toMatchObject({ code: "NOT_FOUND" });
});
