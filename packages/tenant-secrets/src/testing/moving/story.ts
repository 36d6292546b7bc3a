import { expect } from "vitest";
import type { SecretStoreName } from "@repo/catalog";
import type { Company } from "../../companies/companies.ts";
import { codeOf, product } from "../fixture.ts";
import {
  createMovingCompany,
  look,
  secretKeys,
  type SecretKey,
  type StoredHead,
  type World,
} from "./world.ts";

export type Value = string | undefined;
type Values = ReadonlySet<Value>;
type By = keyof World["processes"];

/** A change of one secret, by a process or in Infisical itself. */
export type Change =
  | { readonly act: "set" | "remove"; readonly key: SecretKey; readonly by: By }
  | { readonly act: "edit in Infisical" | "remove in Infisical"; readonly key: SecretKey };

/** What is expected of one secret. */
interface Expected {
  /** What was acknowledged last; several values while it is not known which of them is in effect. */
  last: Values;
  /** What the process with caches may read beside that: nothing tells it of what happens in Infisical itself. */
  stale: Values;
  /** What a restoration brings back. */
  restorable: Values;
  /** Acknowledged writes, and those of killed processes. */
  written: number;
  perhapsWritten: number;
  removed: number;
  perhapsRemoved: number;
}

/** One company, and what was promised of it. */
export interface Story<Goal extends string = string> {
  readonly world: World;
  readonly company: Company;
  readonly expected: ReadonlyMap<SecretKey, Expected>;
  store: SecretStoreName;
  epoch: number;
  /** Whether the copy that the last change of the store left behind was removed. */
  isCleaned: boolean;
  /** A migration that has lost its process. */
  pending: { readonly run: string; readonly goal: Goal } | undefined;
}

const none: Values = new Set();
const only = (...values: readonly Value[]): Values => new Set(values);

export async function beginStory<Goal extends string>(world: World): Promise<Story<Goal>> {
  const nothing = () => ({ last: only(undefined), stale: none, restorable: none });
  const counts = () => ({ written: 0, perhapsWritten: 0, removed: 0, perhapsRemoved: 0 });
  return {
    world,
    company: await createMovingCompany(world),
    expected: new Map(secretKeys.map((key) => [key, { ...nothing(), ...counts() }])),
    store: "infisical",
    epoch: 1,
    isCleaned: false,
    pending: undefined,
  };
}

export function expectedOf({ expected }: Pick<Story, "expected">, key: SecretKey): Expected {
  const found = expected.get(key);
  if (found === undefined) throw new Error("each secret key has its expectation");
  return found;
}

let valuesMade = 0;
export const newValue = (): string => `fake-${(valuesMade += 1)}`;

export const handle = ({ world, company }: Pick<Story, "world" | "company">, by: By) =>
  world.processes[by].company(company.subdomain, product);

/** A value that was acknowledged: every process reads it from now on. */
export function acknowledge(story: Story, key: SecretKey, value: Value): void {
  const expected = expectedOf(story, key);
  if (value === undefined) expected.removed += 1;
  else expected.written += 1;
  Object.assign(expected, { last: only(value), stale: none });
}

/** One of these values: a read decides which, and it stays. What was read before may be cached. */
export function leaveOpen(story: Story, key: SecretKey, value: Value): void {
  const expected = expectedOf(story, key);
  expected.last = new Set([...expected.last, value]);
  expected.stale = new Set([...expected.stale, ...expected.last]);
}

/** Makes a change while nothing else happens. */
export async function change(story: Story, wanted: Change): Promise<void> {
  const { key } = wanted;
  const head = (await look(story.world, story.company)).heads.get(key);
  apply(story, wanted, { ...(await make(story, wanted)), head });
}

/** What a change has come to. */
export interface Made {
  readonly code: string;
  readonly value: string;
}

export async function make(story: Story, wanted: Change): Promise<Made> {
  const { key } = wanted;
  const value = newValue();
  const { fixture } = story.world;
  const path = `/tenants/${story.company.infisicalFolder}`;
  switch (wanted.act) {
    case "set":
      return { value, code: await codeOf(handle(story, wanted.by).set(key, value)) };
    case "remove":
      return { value, code: await codeOf(handle(story, wanted.by).remove(key)) };
    case "edit in Infisical":
      return { value, code: await codeOf(fixture.infisical.putSecret(path, key, value)) };
    case "remove in Infisical":
      return { value, code: await codeOf(fixture.infisical.deleteSecret(path, key)) };
  }
}

/** Holds the outcome of a change to what was expected, and expects what it promised. */
function apply(
  story: Story,
  { act, key }: Change,
  made: Made & { readonly head: StoredHead | undefined },
): void {
  const expected = expectedOf(story, key);
  const { head, value } = made;
  switch (act) {
    case "set":
      expect(made.code, "a write").toBe("no error");
      return acknowledge(story, key, value);
    case "remove":
      if (expected.last.has(undefined)) return expect(made.code, "a removal").toBe("NOT_FOUND");
      expect(made.code, "a removal").toBe("no error");
      if (head?.isLive === true && story.store !== "infisical") expected.restorable = expected.last;
      return acknowledge(story, key, undefined);
    case "edit in Infisical":
    case "remove in Infisical": {
      expect(made.code, act).toBe("no error");
      const there = act === "edit in Infisical" ? value : undefined;
      const isUnknown = head === undefined || (!head.isLive && head.origin === "infisical");
      const isFollowed = head?.isLive === true && head.origin === "infisical" && there !== undefined;
      const counts = story.store === "infisical" || (story.store === "hybrid" && (isUnknown || isFollowed));
      if (!counts) return;
      expected.stale = new Set([...expected.stale, ...expected.last]);
      expected.last = only(there);
    }
  }
}

/** As `apply`, of a change that was made while a migration worked on the company. */
export function applyMeanwhile(story: Story, { act, key }: Change, { code, value }: Made): void {
  const expected = expectedOf(story, key);
  switch (act) {
    case "set":
      expect(code, "a write beside a migration").toBe("no error");
      return acknowledge(story, key, value);
    case "remove":
      if (expected.last.has(undefined) && code === "NOT_FOUND") return;
      expect(code, "a removal beside a migration").toBe("no error");
      expected.restorable = new Set([...expected.restorable, ...expected.last]);
      return acknowledge(story, key, undefined);
    case "edit in Infisical":
      return leaveOpen(story, key, value);
    case "remove in Infisical":
      return leaveOpen(story, key, undefined);
  }
}

export async function setMany(
  story: Story,
  { keys, by }: { readonly keys: readonly SecretKey[]; readonly by: By },
): Promise<void> {
  const values = new Map(keys.map((key) => [key, newValue()]));
  const code = await codeOf(handle(story, by).setMany(Object.fromEntries(values)));
  expect(code, "several writes").toBe(story.store === "infisical" ? "NOT_SUPPORTED" : "no error");
  if (code === "no error") for (const [key, value] of values) acknowledge(story, key, value);
}

export async function restore(
  story: Story,
  { key, by }: { readonly key: SecretKey; readonly by: By },
): Promise<void> {
  const head = (await look(story.world, story.company)).heads.get(key);
  const code = await codeOf(handle(story, by).restore(key));
  if (story.store === "infisical") return expect(code, "a restoration").toBe("NOT_SUPPORTED");
  expect(code, "a restoration").toBe(head?.isRestorable === true ? "no error" : "NOT_FOUND");
  if (code !== "no error") return;
  Object.assign(expectedOf(story, key), { last: expectedOf(story, key).restorable, stale: none });
}
