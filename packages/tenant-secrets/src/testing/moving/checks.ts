import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { z } from "zod";
import { expectedOf, handle, type Story, type Value } from "./story.ts";
import { look, lookIntoDatabase, lookIntoFolder, secretKeys, type SecretKey } from "./world.ts";

/** A process that has lost its connection for notifications may read the old store for ten seconds. */
const boundMs = 12_000;

/** Every process reads what was acknowledged last. Where that was open, this read decides it. */
export async function checkReads(story: Story): Promise<void> {
  const isOf =
    (allowed: ReadonlyMap<SecretKey, ReadonlySet<Value>>) => (read: ReadonlyMap<SecretKey, Value>) =>
      secretKeys.every((key) => allowed.get(key)?.has(read.get(key)));
  const last = new Map(secretKeys.map((key) => [key, expectedOf(story, key).last]));
  const looked = await readUntil(story, "looking", isOf(last));
  for (const key of secretKeys) {
    expect([...expectedOf(story, key).last], `${key}, read without a cache`).toContain(looked.get(key));
    expectedOf(story, key).last = new Set([looked.get(key)]);
  }
  const orStale = new Map(
    secretKeys.map((key) => [key, new Set([looked.get(key), ...expectedOf(story, key).stale])]),
  );
  const cached = await readUntil(story, "caching", isOf(orStale));
  for (const key of secretKeys)
    expect([...(orStale.get(key) ?? [])], `${key}, read with a cache`).toContain(cached.get(key));
}

async function readUntil(
  story: Story,
  by: "caching" | "looking",
  isRight: (read: ReadonlyMap<SecretKey, Value>) => boolean,
): Promise<ReadonlyMap<SecretKey, Value>> {
  const secrets = handle(story, by);
  const giveUpAt = performance.now() + boundMs;
  for (;;) {
    const read = new Map(
      await Promise.all(secretKeys.map(async (key) => [key, await secrets.find(key)] as const)),
    );
    if (isRight(read) || performance.now() > giveUpAt) return read;
    await sleep(5);
  }
}

const Kept = z.array(
  z.object({
    key: z.string(),
    versions: z.int(),
    highest: z.int(),
    last: z.int(),
    unrecorded: z.int(),
    copies: z.int(),
  }),
);
const Recorded = z.array(z.object({ key: z.string().nullable(), action: z.string(), events: z.int() }));

/** What is stored: both sides, the versions, the ledger and the events. Reads have been checked. */
export async function checkRows(story: Story): Promise<void> {
  const { world, company } = story;
  const { superuser } = world.fixture;
  const seen = await look(world, company);
  expect([seen.store, seen.epoch], "store and epoch").toEqual([story.store, story.epoch]);
  const folder = await lookIntoFolder(world, company);
  const database = await lookIntoDatabase(world, company);
  for (const key of secretKeys) {
    const [last] = expectedOf(story, key).last;
    const head = seen.heads.get(key);
    const isUnknown = head === undefined || (!head.isLive && head.origin === "infisical");
    const inEffect =
      story.store === "infisical" || (story.store === "hybrid" && isUnknown)
        ? folder.get(key)?.value
        : database.get(key);
    expect(inEffect, `${key}, as it is stored`).toBe(last);
  }

  const equal = await superuser`
    select e.secret_key as key, e.outside_id as id, e.outside_version as version from folder_entries e
      join company_secrets h on h.company_id = e.company_id and h.secret_key = e.secret_key
    where e.company_id = ${company.id} and h.current_version = e.synced_version and h.deleted_at is null`;
  for (const { key, id, version } of equal) {
    const there = folder.get(String(key));
    if (there?.id !== id || there?.version !== version) continue;
    expect(database.get(String(key)), `${key}, by the ledger`).toBe(there?.value);
  }

  const kept = Kept.parse([
    ...(await superuser`
      select h.secret_key as key, h.last_version as last, count(v.*)::int as versions, coalesce(max(v.version), 0) as highest,
        (count(v.*) filter (where not exists (select from audit_events e where e.company_id = h.company_id
          and e.secret_key = h.secret_key and e.version = v.version and e.outcome = 'success'
          and e.action in ('secret.write', 'secret.backfill'))))::int as unrecorded,
        (select count(*)::int from audit_events e where e.company_id = h.company_id and e.secret_key = h.secret_key
          and e.action = 'secret.backfill' and e.outcome = 'success') as copies
      from company_secrets h left join company_secret_versions v using (company_id, secret_key)
      where company_id = ${company.id} group by h.company_id, h.secret_key, h.last_version`),
  ]);
  for (const { key, versions, highest, last, unrecorded, copies } of kept) {
    expect([versions, highest], `versions of ${key}`).toEqual([last, last]);
    expect([unrecorded, copies <= versions], `events of versions of ${key}`).toEqual([0, true]);
  }
  const recorded = Recorded.parse([
    ...(await superuser`
      select secret_key as key, action, count(*)::int as events from audit_events
      where company_id = ${company.id} and outcome = 'success'
        and action in ('secret.write', 'secret.remove', 'company.set-store') group by 1, 2`),
  ]);
  const eventsOf = (action: string, key: string | null) =>
    recorded.find((each) => each.action === action && each.key === key)?.events ?? 0;
  expect(eventsOf("company.set-store", null), "events of changes of the store").toBe(story.epoch - 1);
  for (const key of secretKeys) {
    const { written, perhapsWritten, removed, perhapsRemoved } = expectedOf(story, key);
    expectBetween(eventsOf("secret.write", key), [written, written + perhapsWritten], `writes of ${key}`);
    expectBetween(eventsOf("secret.remove", key), [removed, removed + perhapsRemoved], `removals of ${key}`);
  }
}

function expectBetween(count: number, [least, most]: readonly [number, number], what: string): void {
  expect([count >= least, count <= most], `${count} events of ${what}: ${least} to ${most}`).toEqual([
    true,
    true,
  ]);
}
