import { createHash } from "node:crypto";
import { createOutbound } from "@repo/outbound";
import { startLocalSendgrid } from "@repo/providers/sendgrid";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import { RunDriven } from "../runs/lease.ts";
import { ROTATION_MODEL_RUNS, ROTATION_MODEL_SEED } from "../testing/env.ts";
import { unpaced } from "../testing/unpaced.ts";
import { createFixture, product } from "../testing/fixture.ts";
import { createGuidedDriver } from "./drivers/guided/guided.ts";
import { createSendgridDriver } from "./drivers/sendgrid.ts";

// What people, a worker, time and a provider's faults do to a secret with a policy, in any order.

const runs = Number(ROTATION_MODEL_RUNS ?? 12);
/** Sequences at the same time: most of each is a wait for the pace at which a provider is asked. */
const atOnce = 4;
const key = "CUSTOM_ROTATED";

const Fault = fc.constantFrom(
  { fault: "dropBefore" },
  { fault: "dropAfter" },
  { fault: "status", status: 429, retryAfter: "7" },
  { fault: "status", status: 502, afterEffect: true },
  { fault: "html" },
  { fault: "html", afterEffect: true },
  { fault: "halfJson" },
  { fault: "emptyKey" },
  { fault: "otherAccount" },
  { fault: "propagation", for: { calls: 2 } },
  { fault: "slowDeletion", for: { calls: 1 } },
  { fault: "limit" },
  { fault: "dropAfter", times: 3 },
  { fault: "status", status: 500, times: 4 },
);

const plain = <Name extends string>(name: Name, weight: number) => ({
  arbitrary: fc.record({ do: fc.constant(name) }),
  weight,
});
const Command = fc.oneof(
  { arbitrary: fc.record({ do: fc.constant("work"), times: fc.integer({ min: 1, max: 6 }) }), weight: 10 },
  plain("workTwice", 2),
  plain("overlapEnds", 3),
  plain("due", 2),
  { arbitrary: fc.record({ do: fc.constant("rotate"), urgent: fc.boolean() }), weight: 5 },
  { arbitrary: fc.record({ do: fc.constant("fault"), fault: Fault }), weight: 4 },
  plain("set", 2),
  { arbitrary: fc.record({ do: fc.constant("stage"), replace: fc.boolean() }), weight: 2 },
  plain("promote", 1),
  plain("discard", 1),
  plain("rollback", 1),
  plain("remove", 1),
  plain("restore", 1),
  plain("supply", 3),
  plain("confirm", 1),
  plain("abort", 1),
  plain("fallBack", 1),
  plain("pause", 1),
  plain("resume", 1),
  {
    arbitrary: fc.record({
      do: fc.constant("policy"),
      driver: fc.constantFrom("sendgrid", "guided"),
      overlapSeconds: fc.constantFrom(0, 3600),
    }),
    weight: 2,
  },
);
type Command = typeof Command extends fc.Arbitrary<infer One> ? One : never;

const fixture = await createFixture();
const { superuser } = fixture;
const { signal } = new AbortController();

/** What a person or the state of things may refuse. */
const refusals = new Set(["CONFLICT", "NOT_FOUND", "INVALID_VALUE", "INVALID_INPUT"]);
async function maybe(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof TenantSecretsError) || !refusals.has(error.code)) throw error;
  }
}

const printOf = (value: string) => createHash("sha256").update(value).digest("hex");

async function begin() {
  const sendgrid = await startLocalSendgrid();
  const parts = () => ({
    outbound: createOutbound({ allow: [new URL(sendgrid.url).host] }),
    drivers: unpaced({ sendgrid: createSendgridDriver(sendgrid.url), guided: createGuidedDriver({}) }),
  });
  const [secrets, other] = [fixture.another(parts()), fixture.another(parts())];
  const company = await fixture.company("database");
  const owner = await fixture.person(company, "owner");
  const own = secrets.company(company, product);
  const [row] = await superuser`select id from companies where subdomain = ${company}`;
  const companyId = String(row?.["id"]);
  let persons = 0;
  const personsKey = () => sendgrid.addKey({ name: `of a person ${++persons}` }).value;
  await own.set(key, personsKey());
  const name = { company, secretKey: key };
  const policyOf = (driver: string, overlapSeconds: number) =>
    secrets.rotation.set(owner, {
      ...name,
      driver,
      overlapSeconds,
      ...(driver === "guided" && { settings: '{"provider":"any"}' }),
    });
  await policyOf("sendgrid", 3600);

  const unfinished = async (): Promise<string | undefined> => {
    const rows = await superuser`select id from runs where company_id = ${companyId} and finished_at is null`;
    expect(rows.length, "runs at a time").toBeLessThanOrEqual(1);
    return rows[0] && String(rows[0]["id"]);
  };
  const passTime = () =>
    superuser`update runs set not_before = now() where company_id = ${companyId} and not_before > now()`;
  const work = async (): Promise<void> => {
    const run = await unfinished();
    if (run === undefined) return;
    await passTime();
    await secrets.runs.work["rotate-secret"]?.(run, signal);
  };
  const inRun = async (what: (run: { company: string; run: string }) => Promise<unknown>): Promise<void> => {
    const run = await unfinished();
    if (run !== undefined) await maybe(what({ company, run }));
  };
  const overlapEnds = async (): Promise<void> => {
    await superuser`update company_secrets set grace_windows = '[]' where company_id = ${companyId}`;
    await fixture.remacHeads();
    await superuser`update runs set facts = facts || '{"promotedAt": 0}'
      where company_id = ${companyId} and finished_at is null and facts->>'promotedAt' is not null`;
  };

  const act = async (command: Command): Promise<void> => {
    const { people } = secrets.rotation;
    switch (command.do) {
      case "work":
        for (let i = 0; i < command.times; i++) await work();
        return;
      case "workTwice": {
        const run = await unfinished();
        if (run === undefined) return;
        await passTime();
        const both = [secrets, other].map(async (each) => each.runs.work["rotate-secret"]?.(run, signal));
        for (const result of await Promise.allSettled(both))
          if (result.status === "rejected") expect(result.reason).toBeInstanceOf(RunDriven);
        return;
      }
      case "overlapEnds":
        return overlapEnds();
      case "due":
        await superuser`update rotation_policies set next_due_at = now() - interval '1 day', schedule = '{"every": "P30D"}'
          where company_id = ${companyId}`;
        await secrets.rotation.startDue(signal);
        return;
      case "rotate":
        return maybe(
          secrets.rotation.rotate(owner, { ...name, urgent: command.urgent, purpose: "incident" }),
        );
      case "fault": {
        // A credential in another account is ended with its own value: where the answer with it is lost, it cannot be found.
        const open = [...sendgrid.faults.open(), command.fault];
        if (open.some(({ fault }) => fault === "otherAccount")) sendgrid.faults.clear();
        return sendgrid.faults.add(command.fault);
      }
      case "set":
        return maybe(own.set(key, personsKey()));
      case "stage":
        return maybe(own.stage(key, personsKey(), { replace: command.replace }));
      case "promote":
        return maybe(own.promote(key));
      case "discard":
        return maybe(own.discard(key));
      case "rollback":
        return maybe(own.rollback(key, { toVersion: 1 }));
      case "remove":
        return maybe(own.remove(key));
      case "restore":
        return maybe(own.restore(key));
      case "supply":
        return inRun((run) => people.supply(owner, { ...run, value: personsKey(), sameAccount: true }));
      case "confirm":
        return inRun((run) => people.confirm(owner, run));
      case "abort":
        return inRun((run) => people.abort(owner, run));
      case "fallBack":
        return inRun((run) => people.fallBack(owner, run));
      case "pause":
        return maybe(secrets.rotation.pause(owner, name));
      case "resume":
        return maybe(secrets.rotation.resume(owner, name));
      case "policy":
        return maybe(policyOf(command.driver, command.overlapSeconds));
    }
  };

  const finished = new Map<string, string>();
  /** What holds after each command. */
  const check = async (after: string): Promise<void> => {
    await unfinished();
    const live = sendgrid.liveCredentials();
    const value = await own.find(key);
    if (value !== undefined)
      expect(
        live.map(({ fingerprint }) => fingerprint),
        after,
      ).toContain(printOf(value));
    const pending =
      value === undefined ? [] : (await own.history(key)).versions.filter(({ stage }) => stage === "pending");
    expect(pending.length, after).toBeLessThanOrEqual(1);
    const rows = await superuser<{ marker: string; state: string }[]>`
      select marker, state from rotation_credentials where company_id = ${companyId}`;
    const known = rows.filter(({ state }) => state !== "retired").map(({ marker }) => marker);
    const ours = live.map((each) => each.name).filter((each) => each.startsWith("ts-"));
    expect(
      ours.filter((marker) => !known.includes(marker)),
      `lost ${after}`,
    ).toEqual([]);
    const ended = await superuser<{ id: string; row: string }[]>`
      select id, (to_jsonb(r) - 'updated_at')::text as row from runs r where company_id = ${companyId} and finished_at is not null`;
    for (const { id, row: state } of ended) {
      expect(finished.get(id) ?? state, `changed ${after}`).toBe(state);
      finished.set(id, state);
    }
  };

  /** Faults end, time passes, and people answer: each run comes to its end. */
  const settle = async (): Promise<void> => {
    sendgrid.faults.clear();
    for (let i = 0; (await unfinished()) !== undefined; i++) {
      if (i > 60) throw new Error(`a run does not end: ${(await unfinished()) ?? ""}`);
      await overlapEnds();
      await inRun((run) => secrets.rotation.people.confirm(owner, run));
      await inRun((run) => secrets.rotation.people.abort(owner, run));
      await work();
    }
    const rows = await superuser`
      select marker from rotation_credentials where company_id = ${companyId} and state in ('wanted', 'retiring')`;
    expect(
      rows.map((left) => ({ ...left })),
      "not known at the end",
    ).toEqual([]);
  };
  return { act, check, settle, stop: () => sendgrid.stop() };
}

async function holds(commands: readonly Command[]): Promise<void> {
  const world = await begin();
  try {
    const done: string[] = [];
    for (const command of commands) {
      done.push(JSON.stringify(command));
      await world.act(command);
      await world.check(`after ${done.join(" ")}`);
    }
    await world.settle();
    await world.check("at the end");
  } finally {
    await world.stop();
  }
}

test(
  "whatever people, time, workers and the provider do, the current value is accepted and no credential is lost",
  { timeout: 240_000 + runs * 30_000 },
  async () => {
    expect.hasAssertions();
    const seed = Number(ROTATION_MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31));
    const property = fc.asyncProperty(fc.array(Command, { minLength: 8, maxLength: 24 }), holds);
    await Promise.all(
      Array.from({ length: atOnce }, async (_, i) =>
        fc.assert(property, {
          numRuns: Math.ceil(runs / atOnce),
          seed: seed + i,
          // A shorter sequence is as costly to find as many runs.
          endOnFailure: true,
        }),
      ),
    );
  },
);
