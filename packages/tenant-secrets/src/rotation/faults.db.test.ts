import { readFileSync } from "node:fs";
import type { RotationRunDescription } from "@repo/catalog";
import { expect, test } from "vitest";
import { ROTATION_FAULTS } from "../testing/env.ts";
import { createFixture, product } from "../testing/fixture.ts";
import { type Fault, withFault } from "../testing/rotation-faults/faulty-driver.ts";
import { type FaultLine, faultTable } from "../testing/rotation-faults/table.ts";
import { earlierMarker, faultNamesOf, type FaultWorld, subjects } from "../testing/rotation-faults/worlds.ts";
import type { RotationDriver } from "./drivers/driver.ts";

// Rotations through the engine, with drivers whose providers fail at one step. Waits are ended in their rows.

const fixture = await createFixture();
const { superuser } = fixture;
const { signal } = new AbortController();
const drivers: Record<string, RotationDriver> = {};
const secrets = fixture.another({ drivers });
const key = "CUSTOM_ROTATED";
const managerKey = "CUSTOM_MANAGER";
/** Rotations at the same time. */
const atOnce = 12;
/** The request of a step that has the effect. */
const mainRequest: Readonly<Record<string, number>> = {
  "sendgrid create": 2,
  "sendgrid retire": 2,
  "httpTemplate retire": 2,
};

/** `print`: the table. `all`: further steps of drivers that are like those of another one, too. */
const isLong = ROTATION_FAULTS === "all";

let cases = 0;

/** The overlap of a company's secrets is over. */
async function endOverlap(company: string, run: string): Promise<void> {
  await superuser`update company_secrets set grace_windows = '[]' where company_id = (select id from companies where subdomain = ${company})`;
  await fixture.remacHeads();
  await superuser`update runs set facts = facts || '{"promotedAt": 0}' where id = ${run}`;
}

interface Left {
  readonly outcome: string;
  readonly met: number;
}

/** Rotates once where a step fails as planned, and holds the run to what every run promises. */
async function rotate(world: FaultWorld, planned: Fault | undefined): Promise<Left> {
  const name = `faulty-${++cases}`;
  const { driver, met } = withFault(world, name, planned);
  drivers[name] = driver;
  const company = await fixture.company("database");
  const owner = await fixture.person(company, "owner");
  const own = secrets.company(company, product);
  await own.set(key, world.current);
  if (world.manager !== undefined) await own.set(managerKey, world.manager);
  // As an earlier rotation has left it.
  if (world.currentRef !== undefined)
    await superuser`insert into rotation_credentials (company_id, secret_key, marker, run_id, ref, version, state)
      select id, ${key}, ${earlierMarker}, gen_random_uuid(), ${world.currentRef}, 1, 'live' from companies where subdomain = ${company}`;
  await secrets.rotation.set(owner, {
    company,
    secretKey: key,
    driver: name,
    settings: JSON.stringify(world.settings),
    overlapSeconds: 3600,
    ...(world.manager !== undefined && { manager: managerKey }),
  });
  const run = await secrets.rotation.rotate(owner, { company, secretKey: key, urgent: false });
  const where = `${world.driver.name}: ${planned?.step ?? "no fault"}, ${planned?.fault.name ?? ""}, request ${planned?.nth ?? 0}, ${planned?.times ?? ""}`;
  const isGood = async () => expect(await world.accepts(await own.get(key)), where).toBe(true);

  let description: RotationRunDescription | undefined;
  let watched = 0;
  const watches = planned?.step === "watch" || planned?.fault.name === revoked ? 3 : 1;
  for (let i = 0; i < 60 && description?.state !== "done"; i++) {
    // The wait before the last look at the provider is long enough for what it was asked for.
    if (description?.phase === "retire") await world.settled();
    await superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;
    await secrets.runs.work["rotate-secret"]?.(run, signal);
    description = await secrets.rotation.run(owner, company, run);
    if (description.phase === "watch" && ++watched === watches) await endOverlap(company, run);
    else if (planned?.fault.name !== revoked) await isGood();
  }
  expect(description?.state, where).toBe("done");
  const { outcome, reason, unconfirmed } = description ?? {};
  expect(outcome, where).toBeDefined();
  if (outcome === "failed") expect(reason, where).toBeDefined();
  await isGood();

  await world.settled();
  const [policy] = (await secrets.rotation.list(owner, company)).policies;
  const orphans = policy?.orphans ?? [];
  const states = await superuser<{ marker: string; ref: string | null; version: number; state: string }[]>`
    select marker, ref, version, state from rotation_credentials c join companies o on o.id = c.company_id where o.subdomain = ${company}`;
  expect(
    states.filter(({ state }) => state === "wanted" || state === "retiring"),
    where,
  ).toEqual([]);
  const { versions } = await own.history(key);
  expect(
    versions.filter(({ stage }) => stage === "pending"),
    where,
  ).toEqual([]);
  const current = versions.find(({ stage }) => stage === "current")?.version;
  // What the provider accepts is in use, or listed.
  const known = states.flatMap(({ marker, ref, state }) => (state === "live" ? [marker, ref ?? ""] : []));
  const live = await world.live();
  const leaked = live.filter((each) => !known.includes(each) && !orphans.includes(each) && !isListed(each));
  function isListed(ref: string): boolean {
    return states.some((row) => row.state === "orphan" && row.ref === ref);
  }
  expect(leaked, where).toEqual([]);
  if (outcome === "failed" && world.currentRef !== undefined) expect(current, where).toBe(1);
  const listed = orphans.length === 0 ? [] : [orphans.length === 1 ? "an orphan" : "orphans"];
  return {
    outcome: [
      outcome === "failed" ? `\`${reason ?? ""}\`` : (outcome ?? ""),
      ...(unconfirmed === true ? ["unconfirmed"] : []),
      ...listed,
    ].join(", "),
    met: met(),
  };
}

const revoked = "a new credential that is revoked soon";

/** Every combination, with the request of the step that has the effect. */
async function plan(): Promise<readonly (() => Promise<FaultLine>)[]> {
  const lines: (() => Promise<FaultLine>)[] = [];
  for (const { driver, steps, further, open } of subjects)
    for (const step of isLong ? [...steps, ...further] : steps) {
      const world = await open(superuser);
      const possible = faultNamesOf(world, step, isLong);
      const nth = mainRequest[`${driver.split(" ")[0] ?? ""} ${step}`] ?? 1;
      for (const name of possible)
        lines.push(async () => {
          const of = async (times: Fault["times"]): Promise<string> => {
            const opened = await open(superuser);
            try {
              const fault = opened.faults.find((each) => each.name === name);
              if (fault === undefined) throw new Error(`${driver} has no fault ${name}`);
              const { outcome, met } = await rotate(opened, { step, fault, nth, times });
              expect(met, `${driver} meets ${name} at ${step}`).toBeGreaterThan(0);
              return outcome;
            } finally {
              await opened.stop();
            }
          };
          return { driver, step, fault: name, once: await of("once"), each: await of("each") };
        });
    }
  return lines;
}

test(
  "each fault of each step of each driver leaves the secret usable, and nothing that is not listed",
  { timeout: isLong ? 1_800_000 : 600_000 },
  async () => {
    const lines = await plan();
    const results: FaultLine[] = [];
    const errors: unknown[] = [];
    let next = 0;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        for (let i = next++; i < lines.length; i = next++) {
          try {
            const line = await lines[i]?.();
            if (line !== undefined) results[i] = line;
          } catch (error) {
            errors.push(error);
          }
        }
      }),
    );
    if (ROTATION_FAULTS !== undefined) console.log(faultTable(results.filter((line) => line !== undefined)));
    if (errors.length > 0) throw new AggregateError(errors, errors.map(String).join("\n"));
    if (isLong) return;
    const page = readFileSync(new URL("../../../../docs/rotation.md", import.meta.url), "utf8");
    expect(page).toContain(faultTable(results));
  },
);
