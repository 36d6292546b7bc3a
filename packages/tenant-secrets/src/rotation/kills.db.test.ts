import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { whenDone } from "@repo/db/testing";
import { startLocalSendgrid } from "@repo/providers/sendgrid";
import { expect, test } from "vitest";
import { ROTATION_KILLS } from "../testing/env.ts";
import { createFixture, operator, product } from "../testing/fixture.ts";

/** In turn, so that a process dies in each of them, and how many points each has before and after its commits and requests. */
const phases = [
  { phase: "create", points: 16, asks: true },
  { phase: "test", points: 8, asks: true },
  { phase: "promote", points: 5, asks: false },
  { phase: "watch", points: 8, asks: true },
  { phase: "retire", points: 8, asks: true },
  { phase: "confirm", points: 4, asks: true },
  { phase: "prepare", points: 4, asks: false },
] as const;
const kills = Number(ROTATION_KILLS ?? 14);
/** Milliseconds until the provider carries a request out: the process that sent it may be dead by then. */
const latencyMs = 15;
const key = "SENDGRID_API_KEY";
const fixture = await createFixture();
const { superuser, secrets } = fixture;
const script = fileURLToPath(new URL("../testing/rotating-process.ts", import.meta.url));

type Doomed = ChildProcessByStdio<Writable, null, null>;
const children = new Set<Doomed>();
function begin(): Doomed {
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "ignore", "inherit"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}
whenDone(async () => {
  await Promise.all(
    [...children].map(async (child) => {
      if (child.kill("SIGKILL")) await once(child, "exit");
    }),
  );
});

/** The process that works, and which of its requests in a phase is its last one. */
let victim: { readonly child: Doomed; readonly phase: string; requestsLeft: number } | undefined;
let lastPhase: string | undefined;
const sendgrid = await startLocalSendgrid({
  onRequest: () => {
    if (victim?.phase === lastPhase && victim !== undefined && victim.requestsLeft-- === 0)
      victim.child.kill("SIGKILL");
  },
});
whenDone(() => sendgrid.stop());
sendgrid.faults.add({ fault: "delay", ms: latencyMs, times: "always" });

interface Unfinished {
  readonly phase: string;
}

/** The one run that is not over; its waits are over now, and the worker is told. */
async function nudge(): Promise<Unfinished | undefined> {
  await superuser`update runs set not_before = now() where kind = 'rotate-secret' and not_before > now()`;
  const moved = await superuser`
    update graphile_worker._private_jobs set run_at = now() where run_at > now() and locked_at is null returning id`;
  if (moved.length > 0) await superuser`select pg_notify('jobs:insert', '{"r":0,"count":1}')`;
  const [run, ...others] = await superuser<Unfinished[]>`
    select phase from runs where kind = 'rotate-secret' and finished_at is null`;
  expect(others).toEqual([]);
  lastPhase = run?.phase;
  return run;
}

const fingerprints = () => new Set(sendgrid.liveCredentials().map(({ fingerprint }) => fingerprint));

test(
  `${kills} workers that are killed in the middle of rotations leave no key behind, and the current one is accepted all the while`,
  { timeout: 180_000 + kills * 12_000 },
  async () => {
    const acme = await fixture.company("database");
    const owner = await fixture.person(acme, "owner");
    const ofPerson = sendgrid.addKey({ name: "made by a person" });
    await secrets.company(acme, product).set(key, ofPerson.value);
    await superuser`
      insert into webhook_endpoints (company_id, url, description, per_second, state, verified_at, secret_key_version, actor_kind, actor_id)
      select id, 'https://hooks.example.com', '', 1, 'active', now(), 1, 'job', 'test' from companies where subdomain = ${acme}`;
    const name = { company: acme, secretKey: key };
    await secrets.rotation.set(owner, { ...name, driver: "sendgrid", overlapSeconds: 1 });
    const started: string[] = [];
    const rotate = async () => {
      const run = await secrets.rotation.rotate(owner, { ...name, urgent: false });
      if (!started.includes(run)) started.push(run);
    };

    let reads = 0;
    const reading = new AbortController();
    const reader = (async () => {
      const company = secrets.company(acme, product);
      while (!reading.signal.aborted) {
        const before = fingerprints();
        const value = await company.get(key);
        const print = createHash("sha256").update(value).digest("hex");
        expect(before.has(print) || fingerprints().has(print)).toBe(true);
        reads += 1;
        await sleep(30);
      }
    })();
    reader.catch(() => {});

    const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
    const order = (child: Doomed, kill?: { readonly phase: string; readonly at: number }) =>
      child.stdin.end(
        JSON.stringify({
          kill,
          sendgrid: sendgrid.url,
          applicationUrl: fixture.urls.application,
          maintenanceUrl: fixture.urls.maintenance,
          infisical: { siteUrl, clientId, clientSecret, projectId },
        }),
      );
    /** Of a process that was killed. */
    const endLease = () =>
      superuser`update runs set lease_until = now() - interval '1 second' where lease_until is not null`;

    let next = begin();
    const hit = new Map<string, number>();
    for (let kill = 0; kill < kills; kill++) {
      const child = next;
      next = begin();
      const ended = once(child, "exit");
      const { phase, points, asks } = phases[kill % phases.length] ?? phases[0];
      // Some die while a request of theirs is on its way, and the provider carries it out.
      const onTheWay = asks && Math.random() < 0.4;
      if (onTheWay) victim = { child, phase, requestsLeft: Math.floor((Math.random() * points) / 4) };
      order(child, onTheWay ? undefined : { phase, at: Math.floor(Math.random() * points) });
      while (child.exitCode === null && child.signalCode === null) {
        if ((await nudge()) === undefined) await rotate();
        await Promise.race([ended, sleep(40)]);
      }
      victim = undefined;
      expect(child.signalCode).toBe("SIGKILL");
      const at = (await nudge())?.phase ?? "none";
      hit.set(at, (hit.get(at) ?? 0) + 1);
      await endLease();
    }
    order(next);
    await expect.poll(nudge, { timeout: 60_000, interval: 40 }).toBeUndefined();
    reading.abort();
    await reader;
    if (ROTATION_KILLS !== undefined)
      console.log(`${kills} kills in ${started.length} rotations, by phase:`, hit, `${reads} reads`);

    for (const run of started)
      expect(await secrets.rotation.run(owner, acme, run)).toMatchObject({
        state: "done",
        outcome: "rotated",
        unconfirmed: false,
      });
    const [current, ...others] = sendgrid.liveCredentials().filter(({ id }) => id !== ofPerson.id);
    expect(others).toEqual([]);
    const value = await secrets.company(acme, product).get(key);
    expect(current?.fingerprint).toBe(createHash("sha256").update(value).digest("hex"));
    expect(current?.name).toMatch(/^ts-/);
    expect(fingerprints().size).toBe(2);
    const states = await superuser`select state, count(*)::int as count from rotation_credentials
      where state <> 'retired' group by state`;
    expect(states.map((row) => ({ ...row }))).toEqual([{ state: "live", count: 1 }]);

    // Each was told of once.
    const told = await superuser<{ run: string; count: number }[]>`
      select body::json->'data'->>'run' as run, count(*)::int as count from notifications where type = 'secret.rotated' group by 1`;
    expect(new Map(told.map(({ run, count }) => [run, count]))).toEqual(
      new Map(started.map((run) => [run, 1])),
    );
    const ends =
      await superuser`select subject from audit_events where action = 'rotation.run' and outcome = 'success'`;
    expect(ends.map(({ subject }) => String(subject)).toSorted()).toEqual(started.toSorted());
    const sealer = secrets.createSealer({ onSealed: () => {}, onAlarm: () => {} });
    while ((await sealer.tick()) !== undefined);
    expect((await secrets.audit.verify(operator, {})).findings).toEqual([]);
    expect(reads).toBeGreaterThan(5 * kills);
  },
);
