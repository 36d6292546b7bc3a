import { crc32 } from "node:zlib";
import { connectDatabase } from "@repo/db";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { makeCredential } from "../companies/credential.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { createTasks } from "../jobs/jobs.ts";
import { inProcessFetch } from "../router/handler.ts";
import { appRouter, createCaller } from "../router/router.ts";
import { createCallerContext } from "../router/trpc.ts";
import { assembleTenantSecrets } from "../assemble.ts";
import type { Assembly } from "../assembly/assembly.ts";
import type { RateLimitOptions } from "./rate-limits.ts";

const fixture = await createFixture();
const { superuser, infisical } = fixture;
const database = connectDatabase({
  applicationUrl: fixture.urls.application,
  maintenanceUrl: fixture.urls.maintenance,
  maxConnections: 40,
});
afterAll(() => database.close());

type DeliveryChat = Assembly<typeof deliveryChatCatalog>;

/** One of several processes on the same database, each with its own memory. */
const startProcess = (limits: RateLimitOptions = {}): DeliveryChat =>
  assembleTenantSecrets({ database, infisical, catalog: deliveryChatCatalog, limits });

let mine = "";
let theirs = "";
let apiKey = "";
let otherApiKey = "";
let theirApiKey = "";

beforeAll(async () => {
  [mine, theirs] = [await fixture.company("database"), await fixture.company("database")];
  for (const subdomain of [mine, theirs]) {
    await fixture.secrets.company(subdomain, product).set("CUSTOM_KEY", "fake-value");
  }
  const make = async (company: string): Promise<string> => {
    const expiresAt = new Date(Date.now() + 3_600_000);
    const rights = { verbs: ["use", "describe"], secretKeys: ["*"], expiresAt } as const;
    const made = { name: "k", companies: [company], platform: false, ...rights };
    return (await fixture.secrets.apiKeys.create(operator, made)).apiKey;
  };
  [apiKey, otherApiKey, theirApiKey] = [await make(mine), await make(mine), await make(theirs)];
});
beforeEach(() => superuser`truncate rate_limits`);

const wrong = (): string => makeCredential("tsk").text;

function present(secrets: DeliveryChat, credential: string, address?: string): Promise<string> {
  return codeOf(secrets.authenticate({ credential, address }));
}

async function times<T>(count: number, work: () => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (let i = 0; i < count; i++) answers.push(await work());
  return answers;
}

const countOf = (answers: readonly string[], code: string): number =>
  answers.filter((answer) => answer === code).length;

async function errorOf(call: Promise<unknown>): Promise<TenantSecretsError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof TenantSecretsError) return error;
  throw new Error("did not fail with a TenantSecretsError", { cause: error });
}

async function recorded(action: string): Promise<number> {
  const [row] = await superuser`select coalesce(sum(count), 0)::int as n from audit_events
    where action = ${action} and outcome = 'denied' and reason = 'RATE_LIMITED'`;
  return Number(row?.["n"]);
}

/** The right prefix with another secret and a valid checksum. */
function guessAt(credential: string): string {
  const body = `${credential.slice(0, 20)}${wrong().slice(20, -9)}`;
  return `${body}_${crc32(body).toString(16).padStart(8, "0")}`;
}

describe("rate limit on wrong credentials of an address", () => {
  test("an address is limited after 20 wrong credentials a minute, in every process and across restarts, and others are not", async () => {
    const [secrets, other] = [startProcess(), startProcess()];
    const answers = await times(22, () => present(secrets, wrong(), "192.0.2.1"));
    expect([countOf(answers, "UNAUTHENTICATED"), countOf(answers, "RATE_LIMITED")]).toEqual([20, 2]);
    const refusal = await errorOf(secrets.authenticate({ credential: wrong(), address: "192.0.2.1" }));
    expect(refusal.code).toBe("RATE_LIMITED");
    expect(refusal.retryAfterMs).toBeGreaterThan(30_000);
    expect(refusal.retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(await present(other, wrong(), "192.0.2.1")).toBe("RATE_LIMITED");
    expect(await present(startProcess(), wrong(), "192.0.2.1")).toBe("RATE_LIMITED");
    expect(await present(secrets, wrong(), "192.0.2.2")).toBe("UNAUTHENTICATED");
  });

  test("a limited address is still admitted with a valid credential, so that a neighbour's guesses lock out no customer", async () => {
    const secrets = startProcess();
    await times(25, () => present(secrets, wrong(), "192.0.2.8"));
    for (const each of [secrets, startProcess()]) {
      expect(await present(each, apiKey, "192.0.2.8")).toBe("no error");
    }
  });

  test("20 wrong credentials at most are answered otherwise, even if all arrive at once", async () => {
    const secrets = startProcess();
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => present(secrets, wrong(), "192.0.2.3")),
    );
    expect([countOf(answers, "UNAUTHENTICATED"), countOf(answers, "RATE_LIMITED")]).toEqual([20, 10]);
  });

  test("a repeatedly limited address waits twice as long each time, up to an hour", async () => {
    const waits: number[] = [];
    for (let block = 0; block < 8; block++) {
      const secrets = startProcess({ failedCredentialsPerMinute: 2 });
      await times(2, () => present(secrets, wrong(), "192.0.2.4"));
      const { retryAfterMs } = await errorOf(
        secrets.authenticate({ credential: wrong(), address: "192.0.2.4" }),
      );
      waits.push(Math.round((retryAfterMs ?? 0) / 60_000));
      // The block has ended, but the counter of blocks per day has not.
      await superuser`update rate_limits set expires_at = now() where expires_at < now() + interval '2 hours'`;
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  test("an IPv6 address is limited together with its network, since an attacker controls all of it", async () => {
    const secrets = startProcess({ failedCredentialsPerMinute: 4 });
    for (const address of ["2001:db8::1", "2001:db8::2:3", "2001:db8:0:0:ffff::", "2001:db8::"]) {
      expect(await present(secrets, wrong(), address)).toBe("UNAUTHENTICATED");
    }
    expect(await present(secrets, wrong(), "2001:db8::9")).toBe("RATE_LIMITED");
    expect(await present(secrets, wrong(), "2001:db8:0:1::1")).toBe("UNAUTHENTICATED");
  });

  test("a limited address and its credential prefix are audited, while the counters contain neither", async () => {
    const secrets = startProcess({ failedCredentialsPerMinute: 1 });
    const before = await recorded("credential.check");
    await times(3, () => present(secrets, wrong(), "192.0.2.5"));
    await expect.poll(() => recorded("credential.check")).toBe(before + 2);
    const keys = (await superuser`select key from rate_limits`).map((row) => String(row["key"]));
    expect(keys.filter((key) => !/^[0-9a-f]{64}$/.test(key))).toEqual([]);
  });
});

test("a limited address uses at most half of the connections for its guesses, and other requests proceed", async () => {
  const few = connectDatabase({
    applicationUrl: fixture.urls.application,
    maintenanceUrl: fixture.urls.maintenance,
    maxConnections: 4,
  });
  const secrets = assembleTenantSecrets({ database: few, infisical, catalog: deliveryChatCatalog });
  try {
    await times(21, () => present(secrets, wrong(), "192.0.2.40"));
    await secrets.company(mine, product).get("CUSTOM_KEY");
    let guesses: Promise<string[]> = Promise.resolve([]);
    await superuser.begin(async (sql) => {
      await sql`lock table api_keys in access exclusive mode`;
      guesses = Promise.all(Array.from({ length: 300 }, () => present(secrets, wrong(), "192.0.2.40")));
      const waitForLock = async () => {
        const [row] = await sql`select count(*)::int as n from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`;
        return Number(row?.["n"]);
      };
      await expect.poll(waitForLock, { timeout: 60_000 }).toBeGreaterThan(0);
      for (let i = 0; i < 20; i++) {
        expect(await secrets.company(mine, product).get("CUSTOM_KEY")).toBe("fake-value");
      }
      expect(await waitForLock()).toBeLessThanOrEqual(2);
    });
    const answers = await guesses;
    expect(countOf(answers, "OVERLOADED")).toBeGreaterThanOrEqual(90);
    expect(countOf(answers, "UNAUTHENTICATED")).toBe(0);
    expect(await present(secrets, apiKey, "192.0.2.40")).toBe("no error");
  } finally {
    await few.close();
  }
}, 60_000);

describe("guesses at a known API key prefix", () => {
  test("guesses at an API key from a hundred addresses do not lock the key, and each address has its own limit", async () => {
    const secrets = startProcess();
    for (let address = 0; address < 100; address++) {
      await present(secrets, guessAt(otherApiKey), `198.51.100.${address}`);
    }
    const answers = await times(22, () => present(secrets, guessAt(otherApiKey), "198.51.100.1"));
    expect([countOf(answers, "UNAUTHENTICATED"), countOf(answers, "RATE_LIMITED")]).toEqual([19, 3]);
    for (const address of ["192.0.2.6", "198.51.100.1", undefined]) {
      expect(await present(startProcess(), otherApiKey, address)).toBe("no error");
    }
    expect(await present(secrets, guessAt(otherApiKey), "192.0.2.6")).toBe("UNAUTHENTICATED");
  });

  test("a platform API key's prefix is not shown to a company's members, neither in lists nor in the audit log", async () => {
    const made = await fixture.secrets.apiKeys.create(operator, {
      name: "platform",
      companies: [mine, theirs],
      platform: true,
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    const prefix = made.description.prefix ?? "";
    expect(prefix).toMatch(/^[0-9a-f]{16}$/);
    const secrets = startProcess();
    await present(secrets, guessAt(made.apiKey), "192.0.2.20");
    await secrets.company(mine, await secrets.authenticate({ credential: made.apiKey })).get("CUSTOM_KEY");
    await secrets.flush();
    const owner = await fixture.person(mine, "owner");
    const seen = [
      await secrets.apiKeys.list(owner, mine),
      await secrets.audit.list(owner, { company: mine, limit: 100 }),
    ];
    expect(JSON.stringify(seen[0])).toContain(made.description.id);
    expect(JSON.stringify(seen[1])).toContain(made.description.id);
    expect(JSON.stringify(seen)).not.toContain(prefix);
    const own = (await secrets.apiKeys.list(owner, mine)).filter(({ platform }) => !platform);
    expect(own.map((key) => key.prefix)).toContain(apiKey.slice(4, 20));
    const all = await secrets.apiKeys.list(operator, mine);
    expect(all.map((key) => key.prefix)).toContain(prefix);
  });
});

test("a process whose clock is ten minutes off gets no additional budget", async () => {
  const shifted = async (offsetMs: number, count: number) => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + offsetMs });
    try {
      return await times(count, () => present(startProcess(), wrong(), "192.0.2.30"));
    } finally {
      vi.useRealTimers();
    }
  };
  const answers = [
    ...(await shifted(-600_000, 15)),
    ...(await shifted(0, 3)),
    ...(await shifted(600_000, 10)),
    ...(await shifted(-600_000, 5)),
  ];
  expect([countOf(answers, "UNAUTHENTICATED"), countOf(answers, "RATE_LIMITED")]).toEqual([20, 13]);
});

describe("rate limits of an actor", () => {
  const read = (
    secrets: DeliveryChat,
    caller: Caller,
    { company, secretKey }: { readonly company: string; readonly secretKey: string },
  ) =>
    codeOf(
      createCaller(createCallerContext(secrets, caller)).secrets.read({ company, secretKey }).catch(ours),
    );
  const ours = (error: unknown): never => {
    throw error instanceof Error && error.cause instanceof TenantSecretsError ? error.cause : error;
  };

  test("an actor can probe only a limited number of foreign companies, across all processes", async () => {
    const limits = { refusalsPerMinute: 10 };
    const processes = [startProcess(limits), startProcess(limits), startProcess(limits)];
    const caller = await fixture.secrets.authenticate({ credential: apiKey });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        read(processes[i % 3] ?? startProcess(), caller, {
          company: i % 2 === 0 ? theirs : `nobody-${i}`,
          secretKey: "CUSTOM_KEY",
        }),
      ),
    );
    expect([countOf(answers, "NOT_FOUND"), countOf(answers, "RATE_LIMITED")]).toEqual([10, 50]);
    // Permitted calls still succeed.
    for (const secrets of [...processes, startProcess(limits)]) {
      expect(await read(secrets, caller, { company: mine, secretKey: "CUSTOM_KEY" })).toBe("no error");
    }
  });

  test("an actor with too many denials in a company is limited there, but not in its other companies", async () => {
    const limits = { refusalsPerMinute: 10 };
    const { apiKey: platformKey } = await fixture.secrets.apiKeys.create(operator, {
      name: "platform",
      companies: [mine, theirs],
      platform: true,
      verbs: ["use"],
      secretKeys: ["CUSTOM_*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    const caller = await fixture.secrets.authenticate({ credential: platformKey });
    const secrets = startProcess(limits);
    const answers = await times(11, () =>
      read(secrets, caller, { company: mine, secretKey: "STRIPE_SECRET_KEY" }),
    );
    expect([countOf(answers, "NOT_FOUND"), countOf(answers, "RATE_LIMITED")]).toEqual([10, 1]);
    const restarted = startProcess(limits);
    for (const each of [secrets, restarted]) {
      await expect
        .poll(() => read(each, caller, { company: mine, secretKey: "CUSTOM_KEY" }))
        .toBe("RATE_LIMITED");
      expect(await read(each, caller, { company: theirs, secretKey: "CUSTOM_KEY" })).toBe("no error");
    }
    const neighbour = await fixture.secrets.authenticate({ credential: otherApiKey });
    expect(await read(restarted, neighbour, { company: mine, secretKey: "CUSTOM_KEY" })).toBe("no error");
  });

  test("a missing secret in an actor's own company is no denial, and is not limited", async () => {
    const secrets = startProcess({ refusalsPerMinute: 3 });
    const caller = await fixture.secrets.authenticate({ credential: apiKey });
    const answers = await times(10, async () => [
      await read(secrets, caller, { company: mine, secretKey: "CUSTOM_NONE" }),
      await read(secrets, caller, { company: mine, secretKey: "NOT_IN_CATALOGUE" }),
      await codeOf(secrets.company(mine, caller).get("CUSTOM_NONE")),
    ]);
    expect(new Set(answers.flat())).toEqual(new Set(["NOT_FOUND", "UNKNOWN_SECRET_KEY"]));
    expect(await read(startProcess(), caller, { company: mine, secretKey: "CUSTOM_KEY" })).toBe("no error");
  });

  test("product code is not limited", async () => {
    const secrets = startProcess({ refusalsPerMinute: 1, callsPerSecond: 0.1, companyCallsPerSecond: 0.1 });
    const answers = await times(5, () => read(secrets, product, { company: mine, secretKey: "CUSTOM_NONE" }));
    expect(answers).toEqual(Array(5).fill("NOT_FOUND"));
    expect(await read(secrets, product, { company: mine, secretKey: "CUSTOM_KEY" })).toBe("no error");
  });

  test("each call of a batch counts, and a limited actor gets a waiting time, which is audited", async () => {
    const send = inProcessFetch(startProcess({ callsPerSecond: 2 }));
    const input = encodeURIComponent(
      JSON.stringify(
        Object.fromEntries(Array.from({ length: 10 }, (_, i) => [i, { json: { company: mine } }])),
      ),
    );
    const path = Array(10).fill("secrets.list").join(",");
    const ask = () =>
      send(`http://in-process/trpc/${path}?batch=1&input=${input}`, {
        headers: { authorization: `Bearer ${apiKey}` },
      });
    const before = await recorded("call.limit");
    expect((await times(2, ask)).map(({ status }) => status)).toEqual([200, 200]);
    const refused = await ask();
    expect(refused.status).toBe(429);
    const body = await refused.text();
    expect(body.match(/"reason":"RATE_LIMITED"/g)).toHaveLength(10);
    const waits = [...body.matchAll(/"retryAfterMs":(\d+)/g)].map((match) => Number(match[1]));
    expect(waits.filter((waitMs) => waitMs > 0 && waitMs <= 10_000)).toHaveLength(10);
    await expect.poll(() => recorded("call.limit")).toBe(before + 10);
  });

  test("a call with malformed input costs ten calls", async () => {
    const send = inProcessFetch(startProcess({ callsPerSecond: 4 }));
    const call = async (input: object) => {
      const response = await send("http://in-process/trpc/secrets.read", {
        method: "POST",
        headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
        body: JSON.stringify({ json: input }),
      });
      return response.status;
    };
    const well = { company: mine, secretKey: "CUSTOM_KEY" };
    expect(await times(3, () => call({ ...well, more: 1 }))).toEqual([400, 400, 400]);
    expect(await times(11, () => call(well))).toEqual([...Array<number>(10).fill(200), 429]);
  });

  test("an actor of one company uses only that company's budget", async () => {
    const secrets = startProcess({ companyCallsPerSecond: 1 });
    const [first, second, foreign] = await Promise.all(
      [apiKey, otherApiKey, theirApiKey].map((credential) => fixture.secrets.authenticate({ credential })),
    );
    if (!first || !second || !foreign) throw new Error("three callers");
    expect(
      countOf(
        await times(20, () => read(secrets, foreign, { company: mine, secretKey: "CUSTOM_KEY" })),
        "NOT_FOUND",
      ),
    ).toBe(20);
    const answers = await times(6, async () => [
      await read(secrets, first, { company: mine, secretKey: "CUSTOM_KEY" }),
      await read(secrets, second, { company: mine, secretKey: "CUSTOM_KEY" }),
    ]);
    expect(countOf(answers.flat(), "no error")).toBe(10);
    expect(answers.at(-1)).toEqual(["RATE_LIMITED", "RATE_LIMITED"]);
    expect(await read(secrets, foreign, { company: theirs, secretKey: "CUSTOM_KEY" })).toBe("no error");
  });
});

describe("rate limit on sensitive calls", () => {
  const asOperator = (secrets: DeliveryChat) => createCaller(createCallerContext(secrets, operator));
  const destroy = (secrets: DeliveryChat) => codeOf(asOperator(secrets).keys.destroy({ version: 99 }));
  const list = (secrets: DeliveryChat) => codeOf(asOperator(secrets).companies.list());

  test("sensitive calls are limited strictly across all processes, while the actor's other calls proceed", async () => {
    const limits = { sensitiveCallsPerMinute: 5 };
    const processes = [startProcess(limits), startProcess(limits)];
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => destroy(processes[i % 2] ?? startProcess())),
    );
    expect(countOf(answers, "TOO_MANY_REQUESTS")).toBe(7);
    expect(await list(processes[0] ?? startProcess())).toBe("no error");
  });

  test("sensitive calls get 503 and a waiting time if the counter is unavailable, while ordinary calls proceed", async () => {
    const secrets = startProcess();
    await list(secrets);
    await superuser`alter table rate_limits rename to rate_limits_away`;
    try {
      const refusal: unknown = await asOperator(secrets)
        .keys.destroy({ version: 99 })
        .catch((error: unknown) => error);
      expect(refusal).toMatchObject({
        code: "SERVICE_UNAVAILABLE",
        cause: { code: "DATABASE_UNAVAILABLE", retryAfterMs: 1000, diagnosis: "database error 42P01" },
      });
      expect(await list(secrets)).toBe("no error");
      expect(await list(startProcess())).toBe("no error");
      expect(await present(startProcess(), apiKey, "192.0.2.7")).toBe("no error");
      expect(await present(startProcess(), wrong(), "192.0.2.7")).toBe("DATABASE_UNAVAILABLE");
    } finally {
      await superuser`alter table rate_limits_away rename to rate_limits`;
    }
  });

  test("every procedure is sensitive, except plain reads and a service's everyday operations", async () => {
    const secrets = startProcess({ sensitiveCallsPerMinute: 0 });
    const callsNothing = createCaller(createCallerContext(secrets, operator));
    const ordinary: string[] = [];
    for (const path of Object.keys(appRouter._def.procedures)) {
      const call: unknown = path
        .split(".")
        .reduce<unknown>((node, part) => Reflect.get(Object(node), part), callsNothing);
      if (typeof call !== "function") throw new Error(`${path} is not callable`);
      const code = await codeOf(Promise.resolve(call({})));
      if (code !== "TOO_MANY_REQUESTS") ordinary.push(path);
    }
    const looks =
      /\.(list|publicKeys|capabilities|history|describe|removed|stamp|summary|proof|health|identity|status)$|^(migrations\.(companies|status|report)|keys\.(status|report|backups)|(runs|companies|me)\.get|webhooks\.(eventTypes|deliveries)|rotation\.(policies|runs|run)|companies\.(receipt|settings|deletion|externalKey)|exports\.receipt|regions\.receipts|me\.active)$/;
    const reads = /^secrets\.(read|readMany|readActive|reportOutcome)$/;
    const writes =
      /^secrets\.(write|writeMany|generate|import|stage|promote|discard|rollback|setExpiry|remove|restore|purge)$/;
    // Without a caller: counted by address.
    const visits = /^invitations\.(look|accept)$/;
    const expected = [looks, reads, writes, visits];
    expect(ordinary.filter((path) => !expected.some((pattern) => pattern.test(path)))).toEqual([]);
    expect(ordinary).toContain("secrets.read");
  });
});

test("expired counters are deleted, and no others", async () => {
  await superuser`insert into rate_limits (key, points, expires_at)
    values ('old', 1, now() - interval '1 second'), ('new', 1, now() + interval '1 minute')`;
  const task = createTasks({ secrets: fixture.secrets, database, log: () => {} })["forget-rate-limits"];
  await task?.({}, { signal: new AbortController().signal });
  expect((await superuser`select key from rate_limits`).map((row) => String(row["key"]))).toEqual(["new"]);
});
