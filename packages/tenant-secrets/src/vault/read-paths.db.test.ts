import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiKeyVerb, type Caller, systemCaller, type Verb, verbs } from "@repo/catalog";
import type { CompanyScope } from "../companies/companies.ts";
import { createFixture, operator, product } from "../testing/fixture.ts";

// `read` begins with `readCached`, which answers programs from the cache alone. Every caller asks for every secret in
// every store, of a process that has nothing cached and of one that has everything.

const fixture = await createFixture(undefined, { refusalsPerMinute: 1_000_000 });
const cold = fixture.another();
const warm = fixture.another({ limits: { refusalsPerMinute: 1_000_000 } });

const everything = systemCaller("everything", { verbs: ["use"], secretKeys: ["*"] });
const secretKeys = [
  "CUSTOM_A",
  "CUSTOM_REPLACED",
  "CUSTOM_REMOVED",
  "CUSTOM_ABSENT",
  "NOT_IN_CATALOG",
] as const;
/** What the cache can answer: the other keys have no value. */
const present = ["CUSTOM_A", "CUSTOM_REPLACED"];
const stores = ["database", "hybrid", "infisical"] as const;
const companies = new Map<(typeof stores)[number], string>();
let serving: { stop: () => Promise<void> } | undefined;

beforeAll(async () => {
  serving = await warm.serve(fixture.urls.listener, () => {});
  for (const store of stores) {
    const company = await fixture.company(store);
    companies.set(store, company);
    const secrets = fixture.secrets.company(company, product);
    for (const key of ["CUSTOM_A", "CUSTOM_REPLACED", "CUSTOM_REMOVED"] as const)
      await secrets.set(key, `fake-${key}-1`);
    await secrets.set("CUSTOM_REPLACED", "fake-replaced-2");
    await secrets.remove("CUSTOM_REMOVED");
  }
});
afterAll(() => serving?.stop());

/** Jobs and API keys with each verb alone and with none, on all names, on these and on others; people of each role; an operator. */
async function callersOf(company: string, other: string): Promise<ReadonlyMap<string, Caller>> {
  const callers = new Map<string, Caller>([["operator", operator]]);
  for (const names of [["*"], ["CUSTOM_*"], ["STRIPE_*"], ["CUSTOM_A"]]) {
    for (const verb of [...verbs, undefined]) {
      const granted: readonly Verb[] = verb === undefined ? [] : [verb];
      const name = `job ${verb ?? "nothing"} ${names.join()}`;
      callers.set(name, systemCaller(name, { verbs: granted, secretKeys: names }));
    }
    for (const verb of ApiKeyVerb.options) {
      for (const place of [company, other]) {
        const { apiKey } = await fixture.secrets.apiKeys.create(operator, {
          name: "k",
          companies: [place],
          platform: false,
          verbs: [verb],
          secretKeys: names,
          expiresAt: new Date(Date.now() + 3_600_000),
        });
        const name = `key ${verb} ${names.join()} ${place === company ? "own" : "foreign"}`;
        callers.set(name, await fixture.secrets.authenticate({ credential: apiKey }));
      }
    }
  }
  for (const role of ["owner", "admin", "member", "auditor"] as const) {
    for (const place of [company, other]) {
      const name = `${role} ${place === company ? "own" : "foreign"}`;
      callers.set(name, await fixture.person(place, role));
    }
  }
  return callers;
}

type Read = (
  scope: CompanyScope,
) => Promise<{ readonly value: string; readonly version: number } | undefined>;

/** The value and version that a read answers, or the code of its error. */
async function answerOf(resolve: () => Promise<CompanyScope>, read: Read): Promise<string> {
  try {
    const found = await read(await resolve());
    return found === undefined ? "nothing cached" : `${found.value}@${found.version}`;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

test.for(stores)(
  "a cached read answers what a read answers, or nothing, to every caller: %s",
  async (store) => {
    const company = companies.get(store) ?? "";
    const callers = await callersOf(
      company,
      companies.get(store === "database" ? "hybrid" : "database") ?? "",
    );
    for (const secretKey of present) {
      const scope = await warm.companies.resolve({ caller: everything, action: "secret.read" }, company);
      await warm.vault.read(scope, { secretKey });
    }
    const wrong: string[] = [];
    const served = new Set<string>();
    for (const [name, caller] of callers) {
      for (const secretKey of secretKeys) {
        for (const isRemote of [false, true]) {
          const scopeIn = (secrets: typeof warm) => async (): Promise<CompanyScope> => ({
            ...(await secrets.companies.resolve({ caller, action: "secret.read", secretKey }, company)),
            isRemote,
          });
          const asked = await answerOf(scopeIn(cold), (scope) => cold.vault.read(scope, { secretKey }));
          const again = await answerOf(scopeIn(warm), (scope) => warm.vault.read(scope, { secretKey }));
          const cached = await answerOf(scopeIn(warm), async (scope) =>
            warm.vault.readCached(scope, secretKey, performance.now()),
          );
          const at = `${name} ${secretKey}${isRemote ? " remote" : ""}`;
          if (again !== asked) wrong.push(`${at}: read ${asked}, and again ${again}`);
          if (cached.includes("@")) {
            served.add(at);
            if (cached !== asked) wrong.push(`${at}: read ${asked}, cached ${cached}`);
          } else if (!asked.includes("@") && cached !== "nothing cached" && cached !== asked) {
            wrong.push(`${at}: read ${asked}, cached ${cached}`);
          }
        }
      }
    }
    expect(wrong).toEqual([]);
    const covered = [
      ...["*", "CUSTOM_*"].flatMap((names) => present.map((key) => `use ${names} ${key}`)),
      "use CUSTOM_A CUSTOM_A",
    ];
    const programs = covered.flatMap((each) => [`job ${each}`, `key ${each.replace(/ (\S+)$/, " own $1")}`]);
    expect([...served].filter((at) => !at.endsWith("remote")).toSorted()).toEqual(programs.toSorted());
  },
);

test("a suspended company is cached for no caller once the process has heard of it", async () => {
  const company = companies.get("database") ?? "";
  const resolveCached = () => warm.companies.resolveCached(everything, company, performance.now());
  await warm.companies.resolve({ caller: everything, action: "secret.read" }, company);
  expect(resolveCached()).toBeDefined();
  await fixture.superuser.begin(async (sql) => {
    await sql`update companies set status = 'suspended' where subdomain = ${company}`;
    await fixture.remacCompanies(sql);
  });
  await expect.poll(resolveCached).toBeUndefined();
});
