import { randomUUID } from "node:crypto";
import { TRPCError } from "@trpc/server";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { Caller } from "@repo/catalog";
import { operator, product } from "../testing/fixture.ts";
import { createRegionPair, homeRegion, type RegionPair } from "../testing/region-pair.ts";
import { inProcessFetch } from "./handler.ts";
import { plainPath } from "./plain-door.ts";
import { appRouter, createCaller } from "./router.ts";
import { createCallerContext, publicError } from "./trpc.ts";

interface Procedure {
  readonly _def: { readonly inputs: readonly unknown[] };
}

const shapes = new Map(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tRPC keeps them by path, whatever its types say
  Object.entries(appRouter._def.procedures as unknown as Record<string, Procedure>).flatMap(
    ([path, { _def }]) => {
      const [input] = _def.inputs;
      const names = input instanceof z.ZodObject ? ["company", "companies"] : [];
      return input instanceof z.ZodObject && names.some((name) => name in input.shape)
        ? [[path, input.shape] as const]
        : [];
    },
  ),
);

/** What a region does for a company that is at home elsewhere. Every other procedure is answered with WRONG_REGION. */
const served = [
  "secrets.list",
  "secrets.capabilities",
  "secrets.read",
  "secrets.readMany",
  "secrets.readActive",
  "secrets.reveal",
  "companies.stamp",
  // An operator's own list of what is here.
  "companies.get",
  "companies.receipt",
  "companies.deletion",
  // What makes this region the home.
  "companies.takeOver",
  "companies.members.list",
  "companies.members.add",
  "companies.members.change",
  "companies.members.remove",
  "companies.members.endSessions",
  "companies.apiKeys.list",
  "companies.apiKeys.create",
  "companies.apiKeys.rotate",
  "companies.apiKeys.revoke",
  "invitations.list",
  "invitations.create",
  "invitations.resend",
  "invitations.revoke",
  "audit.list",
  "audit.summary",
  "audit.proof",
  "audit.export",
  "exports.list",
  "exports.receipt",
  "regions.verify",
];

/** Runs begin, and each company's turn says WRONG_REGION in the run. */
const asRuns = /^migrations\.(?!mirror$)/;

const later = new Date(Date.now() + 3_600_000);
const yesterday = new Date(Date.now() - 86_400_000);
const values: Readonly<Record<string, unknown>> = {
  from: yesterday,
  to: later,
  by: "day",
  cursor: "",
  secretKey: "CUSTOM_A",
  secretKeys: ["CUSTOM_A"],
  value: "fake_value",
  values: "CUSTOM_A=fake",
  writes: [{ secretKey: "CUSTOM_A", value: "fake_value" }],
  version: 1,
  result: "accepted",
  purpose: "incident",
  expiresAt: later,
  subdomain: "renamed-elsewhere",
  days: 30,
  required: true,
  role: "member",
  email: "ada@example.com",
  name: "made",
  verbs: ["use"],
  platform: false,
  userId: randomUUID(),
  id: randomUUID(),
  invitation: randomUUID(),
  event: randomUUID(),
  run: randomUUID(),
  endpoint: randomUUID(),
  export: randomUUID(),
  delivery: randomUUID(),
  url: "http://127.0.0.1:9/hooks",
  description: "",
  perSecond: 1,
  driver: "sendgrid",
  settings: {},
  format: "env",
  text: "CUSTOM_A=fake\n",
  content: "CUSTOM_A=fake\n",
  isOn: true,
  state: "on",
  store: "database",
  handle: "fake",
  region: "ap",
  backupsKeptDays: 30,
};

let pair: RegionPair;
let company: string;
let callers: readonly Caller[];

beforeAll(async () => {
  pair = await createRegionPair();
  company = await pair.home.company("database");
  await pair.home.secrets.company(company, product).set("CUSTOM_A", "fake_0001");
  await pair.allow(company);
  await pair.bring();
  await pair.target.secrets.adoption.sweep(new AbortController().signal);
  const owner = await pair.target.person(company, "owner");
  callers = [owner, operator, product];
});

function inputOf(path: string): Record<string, unknown> {
  // Which of several is meant is no rule of one field.
  const given: Record<string, unknown> = path === "webhooks.replay" ? { delivery: randomUUID() } : {};
  for (const [field, schema] of Object.entries(shapes.get(path) ?? {})) {
    if (field === "company") given[field] = company;
    else if (field === "companies") given[field] = [company];
    else if (schema instanceof z.ZodType && !schema.safeParse(undefined).success)
      given[field] = [values[field], 1, "database", "on", "day", yesterday, later, []].find(
        (value) => schema.safeParse(value).success,
      );
  }
  return given;
}

async function codesOf(path: string): Promise<readonly string[]> {
  const codes: string[] = [];
  for (const as of callers) {
    const call = path
      .split(".")
      .reduce<unknown>(
        (at, name) => Reflect.get(Object(at), name),
        createCaller(createCallerContext(pair.target.secrets, as)),
      );
    try {
      await (call as (input: unknown) => Promise<unknown>)(inputOf(path));
      codes.push("done");
    } catch (error) {
      codes.push(error instanceof TRPCError ? publicError(error).code : String(error));
    }
  }
  return codes;
}

test("every procedure of a company is served from copies, or answered with WRONG_REGION", async () => {
  expect(shapes.size).toBeGreaterThan(60);
  const found: string[] = [];
  const malformed = [...shapes.keys()].filter((path) => {
    const schema = z.object(shapes.get(path) ?? {});
    return !schema.safeParse(inputOf(path)).success;
  });
  expect(malformed).toEqual([]);
  for (const path of shapes.keys()) {
    if (asRuns.test(path)) continue;
    const codes = await codesOf(path);
    expect(codes, path).not.toContain("INVALID_INPUT");
    if (!codes.includes("WRONG_REGION")) {
      found.push(path);
      continue;
    }
    expect(
      codes.filter((code) => !["WRONG_REGION", "FORBIDDEN"].includes(code)),
      path,
    ).toEqual([]);
  }
  expect(found.toSorted()).toEqual(served.toSorted());
});

test("a call in plain JSON is answered with WRONG_REGION and the home region, too", async () => {
  const { headers } = await pair.target.person(company, "owner");
  const answer = await inProcessFetch(pair.target.secrets)(`http://in-process${plainPath}secrets.write`, {
    method: "POST",
    headers: new Headers([...headers, ["content-type", "application/json"]]),
    body: JSON.stringify({ company, secretKey: "CUSTOM_A", value: "fake_0002" }),
  });
  expect(answer.status).toBe(409);
  expect(await answer.json()).toMatchObject({ error: { reason: "WRONG_REGION", homeRegion } });
});

test("nothing of the company was changed here, and the events say why", async () => {
  const events = await pair.target.superuser`
    select distinct outcome from audit_events where reason = 'WRONG_REGION'`;
  expect(events.map(({ outcome }) => String(outcome))).toEqual(["failed"]);
  const [row] = await pair.target
    .superuser`select subdomain, status, secret_store as store, home_region as home from companies`;
  expect(row).toEqual({ subdomain: company, status: "active", store: "database", home: homeRegion });
});
