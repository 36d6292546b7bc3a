import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError, type Database } from "@repo/db";
import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import type { CacheOptions } from "../cache/cache-options.ts";
import { codeOf, createFixture, operator, product, type Fixture } from "../testing/fixture.ts";
import type { ServingProcess } from "../keys/rotation/process-registry.ts";
import type { Assembly } from "../assembly/assembly.ts";

let fixture: Fixture;
const serving: ServingProcess[] = [];

beforeAll(async () => {
  fixture = await createFixture();
});

afterAll(async () => {
  await Promise.all(serving.map((each) => each.stop()));
});

type Secrets = Assembly<typeof deliveryChatCatalog>;

interface Process {
  readonly secrets: Secrets;
  /** Statements so far that looked up companies and secrets. */
  readonly statements: () => number;
  /** Makes the database unavailable, or available again. */
  readonly lose: (isLost: boolean) => void;
}

/** Counts statements that look up companies and secrets; those of the audit log are not counted, since their timing varies. */
function counting(sql: postgres.Sql, look: () => void): postgres.Sql {
  return new Proxy(sql, {
    apply: (target, self, call: unknown[]): unknown => {
      const [text] = call;
      if (Array.isArray(text) && /from (?:read_secrets?|find_company)\(/.test(text.join("?"))) look();
      return Reflect.apply(target, self, call);
    },
  });
}

/** Starts a serving process whose connection to the database can be cut. */
async function start(cache: CacheOptions = {}, listenerUrl = fixture.urls.listener): Promise<Process> {
  let statements = 0;
  let isLost = false;
  const guarded = <T>(work: () => Promise<T>): Promise<T> =>
    isLost ? Promise.reject(new DatabaseError("unavailable", "CONNECTION_CLOSED")) : work();
  const { database: real } = fixture;
  const database: Database = {
    ...real,
    inCompany: (companyId, work) => guarded(() => real.inCompany(companyId, work)),
    outsideCompanies: (work) =>
      guarded(() => {
        return real.outsideCompanies((sql, builder) =>
          work(
            counting(sql, () => (statements += 1)),
            builder,
          ),
        );
      }),
    acrossCompanies: (work) => guarded(() => real.acrossCompanies(work)),
  };
  const secrets = fixture.another({ database, cache });
  serving.push(await secrets.serve(listenerUrl, () => {}));
  return { secrets, statements: () => statements, lose: (lost) => void (isLost = lost) };
}

/** A working listener on another database, where no notifications of ours arrive. */
const silentListener = (): string => fixture.urls.listener.replace(/\/[^/]*$/, "/postgres");

const key = "STRIPE_SECRET_KEY";
const value = (keyVersion: number) => `sk_test_fake_value_of_the_cache_${keyVersion}`;

async function companyWith(
  keyVersion: number,
  store: "database" | "infisical" | "hybrid" = "database",
): Promise<string> {
  const company = await fixture.company(store);
  await fixture.secrets.company(company, product).set(key, value(keyVersion));
  return company;
}

/** Waits until a condition holds: notifications take a moment. */
async function until(holds: () => Promise<boolean>): Promise<number> {
  const startedAt = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedAt > 5000) throw new Error("it did not come to hold");
    await sleep(2);
  }
  return performance.now() - startedAt;
}

describe("cached reads", () => {
  test("a thousand concurrent first reads of one secret share one query", async () => {
    const company = await companyWith(1);
    const { secrets, statements } = await start();
    await secrets.prepare();
    const theirs = secrets.company(company, product);
    const before = statements();
    const read = await Promise.all(Array.from({ length: 1000 }, () => theirs.get(key)));
    expect(new Set(read)).toEqual(new Set([value(1)]));
    // One statement for the company, one for the secret.
    expect(statements() - before).toBe(2);
    expect(secrets.measurements().cache).toMatchObject({ misses: 1, joined: 999 });
    const warm = statements();
    for (let i = 0; i < 100; i++) expect(await theirs.get(key)).toBe(value(1));
    expect(statements()).toBe(warm);
  });

  test("a thousand concurrent reads of one secret in Infisical share one request", async () => {
    const company = await companyWith(1, "infisical");
    const { secrets } = await start();
    await secrets.prepare();
    const before = fixture.emulator.requests().length;
    await Promise.all(Array.from({ length: 1000 }, () => secrets.company(company, product).get(key)));
    const asked = fixture.emulator
      .requests()
      .slice(before)
      .filter(({ path }) => path.includes("/secrets/"));
    expect(asked).toHaveLength(1);
  });

  test("a hundred concurrent reads across several companies are one statement", async () => {
    const companies = await Promise.all([companyWith(1), companyWith(2), companyWith(3), companyWith(4)]);
    const { secrets, statements } = await start();
    for (const company of companies) {
      const theirs = secrets.company(company, product);
      await theirs.setMany(
        Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`CUSTOM_${i}`, `${company} ${i}`])),
      );
      await theirs.get(key);
    }
    await sleep(100);
    for (const company of companies) await secrets.company(company, product).get(key);
    const before = statements();
    const read = await Promise.all(
      companies.flatMap((company) =>
        Array.from({ length: 25 }, (_, i) => secrets.company(company, product).get(`CUSTOM_${i}`)),
      ),
    );
    expect(read).toEqual(
      companies.flatMap((company) => Array.from({ length: 25 }, (_, i) => `${company} ${i}`)),
    );
    expect(statements() - before).toBe(1);
  });

  test("the company cache is independent of the size of the secret cache", async () => {
    const companies = [await companyWith(1), await companyWith(2)];
    const { secrets, statements } = await start({ maxEntries: 1 });
    const readAll = async (): Promise<void> => {
      for (const company of companies) await secrets.company(company, product).get(key);
    };
    await readAll();
    const before = statements();
    await readAll();
    // One for each secret, and none for its company.
    expect(statements() - before).toBe(2);
  });

  test("every cached read is audited", async () => {
    const company = await companyWith(1);
    const { secrets } = await start();
    for (let i = 0; i < 50; i++) await secrets.company(company, product).get(key);
    await secrets.flush();
    const [events] = await fixture.superuser`
      select sum(count)::int as reads from audit_events e join companies c on c.id = e.company_id
      where c.subdomain = ${company} and action = 'secret.read' and outcome = 'success' and secret_key = ${key}`;
    expect(events?.["reads"]).toBe(50);
  });

  test("a credential without the permission is refused a cached value", async () => {
    const company = await companyWith(1);
    const { secrets } = await start();
    await secrets.company(company, product).get(key);
    const narrow = {
      actor: { kind: "job", id: "narrow", grant: { verbs: ["use"], secretKeys: ["CUSTOM_*"] } },
    } as const;
    const idle = {
      actor: { kind: "job", id: "idle", grant: { verbs: ["write"], secretKeys: ["*"] } },
    } as const;
    expect(await codeOf(secrets.company(company, narrow).get(key))).toBe("NOT_FOUND");
    expect(await codeOf(secrets.company(company, idle).get(key))).toBe("FORBIDDEN");
    expect(await codeOf(secrets.company(company, operator).get(key))).toBe("FORBIDDEN");
  });
});

describe("a change", () => {
  test("a change by plain SQL reaches another process within 50 ms", async () => {
    const company = await companyWith(1);
    const { secrets } = await start();
    const theirs = secrets.company(company, product);
    const times: number[] = [];
    // With a valid MAC, as an attacker with the key could write: without it, the read would fail as INTEGRITY_FAILURE.
    const changeHead = (change: string) =>
      fixture.superuser.begin(async (sql) => {
        await sql`update company_secrets set ${sql.unsafe(change)} from companies c
          where c.id = company_id and subdomain = ${company}`;
        await fixture.remacHeads(sql);
      });
    for (let i = 0; i < 5; i++) {
      expect(await theirs.get(key)).toBe(value(1));
      await changeHead("deleted_at = now()");
      times.push(await until(async () => (await theirs.find(key)) === undefined));
      await changeHead("deleted_at = null");
      times.push(await until(async () => (await theirs.find(key)) === value(1)));
    }
    expect(times.toSorted((a, b) => a - b)[5]).toBeLessThan(50);
  });

  test("a write is visible in its own process at once and in others soon, in every store", async () => {
    for (const store of ["database", "hybrid", "infisical"] as const) {
      const company = await companyWith(1, store);
      const [one, other] = await Promise.all([start(), start()]);
      const here = one.secrets.company(company, product);
      const there = other.secrets.company(company, product);
      for (let keyVersion = 2; keyVersion < 6; keyVersion++) {
        expect(await there.get(key)).toBe(await here.get(key));
        await here.set(key, value(keyVersion));
        expect(await here.get(key), store).toBe(value(keyVersion));
        await until(async () => (await there.get(key)) === value(keyVersion));
      }
      await here.remove(key);
      expect(await here.find(key), store).toBeUndefined();
      await until(async () => (await there.find(key)) === undefined);
    }
  });

  test("a change of a company's name, store or status reaches other processes", async () => {
    const company = await companyWith(1);
    const { secrets } = await start();
    const theirs = secrets.company(company, product);
    await theirs.get(key);
    await fixture.secrets.companies.rename(operator, company, { subdomain: `${company}-new` });
    await until(async () => (await codeOf(theirs.get(key))) === "NOT_FOUND");
    const renamed = secrets.company(`${company}-new`, product);
    expect(await renamed.get(key)).toBe(value(1));
    await fixture.infisical.putSecret(`/tenants/${company}`, key, value(7));
    await fixture.superuser.begin((sql) => fixture.setStore(sql, `${company}-new`, "infisical"));
    await until(async () => (await renamed.get(key)) === value(7));
    await fixture.superuser`update companies set status = 'suspended' where subdomain = ${`${company}-new`}`;
    await fixture.remacRows();
    await until(async () => (await codeOf(renamed.get(key))) === "COMPANY_SUSPENDED");
  });

  test("a change without a notification is visible after the TTL", async () => {
    const company = await companyWith(1);
    const { secrets } = await start({ ttlMs: 400 }, silentListener());
    const theirs = secrets.company(company, product);
    await theirs.get(key);
    await fixture.secrets.company(company, product).set(key, value(2));
    expect(await theirs.get(key)).toBe(value(1));
    expect(await until(async () => (await theirs.get(key)) === value(2))).toBeLessThan(1000);
  });

  test("a change made in Infisical is visible after the TTL, both for values only there and for backfilled ones", async () => {
    const { secrets } = await start({ ttlMs: 400 });
    for (const store of ["infisical", "hybrid"] as const) {
      const company = await fixture.company(store);
      const put = (keyVersion: number) =>
        fixture.infisical.putSecret(`/tenants/${company}`, key, value(keyVersion));
      const theirs = secrets.company(company, product);
      await put(1);
      expect(await theirs.get(key)).toBe(value(1));
      await put(2);
      expect(await theirs.get(key)).toBe(value(1));
      expect(await until(async () => (await theirs.get(key)) === value(2)), store).toBeLessThan(1500);
    }
    expect(secrets.measurements().backfill).toEqual({ backfilled: 1, refreshed: 1, failed: 0 });
  });

  test("a reconnected listener makes cached entries stale, in case it missed a change", async () => {
    const company = await companyWith(1);
    const { secrets } = await start();
    const theirs = secrets.company(company, product);
    await theirs.get(key);
    const before = secrets.measurements().cache.invalidations;
    await fixture.superuser`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'tenant-secrets listener' and datname = current_database()`;
    await until(async () => secrets.measurements().cache.invalidations > before);
    const { misses } = secrets.measurements().cache;
    expect(await theirs.get(key)).toBe(value(1));
    expect(secrets.measurements().cache.misses).toBe(misses + 1);
  });

  test("a change during concurrent reads leaves no stale value in any cache", async () => {
    const company = await companyWith(0);
    const [one, other] = await Promise.all([start(), start()]);
    let written = 0;
    const ending = new AbortController();
    const numberOf = (text: string): number => Number(text.split("_").at(-1));
    const read = async ({ secrets }: Process): Promise<void> => {
      while (!ending.signal.aborted) {
        const known = written;
        const seen = numberOf(await secrets.company(company, product).get(key));
        if (secrets === one.secrets) expect(seen).toBeGreaterThanOrEqual(known);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    };
    const write = async (): Promise<void> => {
      for (let keyVersion = 1; keyVersion <= 30; keyVersion++) {
        await one.secrets.company(company, product).set(key, value(keyVersion));
        written = keyVersion;
      }
      ending.abort();
    };
    await Promise.all([read(one), read(one), read(other), read(other), write()]);
    const there = other.secrets.company(company, product);
    expect(await until(async () => (await there.get(key)) === value(30))).toBeLessThan(5000);
  });
});

describe("a write that fails because its store is unavailable", () => {
  test("a failed write to Infisical keeps the company's other secrets cached, in every process", async () => {
    const company = await companyWith(1, "infisical");
    await fixture.secrets.company(company, product).set("CUSTOM_OTHER", "kept");
    const writing = await start();
    const reading = await start();
    const processes = [writing, reading].map(({ secrets }) => secrets.company(company, product));
    for (const each of processes) await each.getMany([key, "CUSTOM_OTHER"]);
    fixture.emulator.faults.add({ kind: "answer", status: 503 }, { times: 1000 });
    try {
      const { secrets } = writing;
      expect(await codeOf(secrets.company(company, product).set(key, value(2)))).toBe("STORE_UNAVAILABLE");
      // The secret that may have changed is invalidated, once the notification arrives.
      for (const each of processes)
        await until(async () => (await codeOf(each.get(key))) === "STORE_UNAVAILABLE");
      for (const each of processes) expect(await each.get("CUSTOM_OTHER")).toBe("kept");
    } finally {
      fixture.emulator.faults.clear();
    }
  });

  test.for(["database", "hybrid"] as const)(
    "a failed write to the %s store keeps the company's other secrets cached",
    async (store) => {
      const company = await companyWith(1, store);
      await fixture.secrets.company(company, product).set("CUSTOM_OTHER", "kept");
      const { secrets, lose } = await start();
      const acme = secrets.company(company, product);
      await acme.getMany([key, "CUSTOM_OTHER"]);
      lose(true);
      expect(await codeOf(acme.set(key, value(2)))).not.toBe("no error");
      expect(await acme.get("CUSTOM_OTHER")).toBe("kept");
      lose(false);
    },
  );
});

test("during an Infisical outage, a hybrid company's values in the database are fetched, not served stale", async () => {
  const company = await companyWith(1, "hybrid");
  const { secrets } = await start({ ttlMs: 50 }, silentListener());
  const theirs = secrets.company(company, product);
  expect(await theirs.get(key)).toBe(value(1));
  await fixture.secrets.company(company, product).set(key, value(2));
  fixture.emulator.faults.add({ kind: "answer", status: 503 }, { path: /CUSTOM_ONLY_THERE/, times: 20 });
  await sleep(60);
  expect(await codeOf(theirs.get("CUSTOM_ONLY_THERE"))).toBe("STORE_UNAVAILABLE");
  expect(await theirs.get(key)).toBe(value(2));
  expect(secrets.measurements().cache.staleHits).toBe(0);
  fixture.emulator.faults.clear();
});

describe("a database outage", () => {
  test("a cached secret is served past its TTL during an outage, up to the stale-if-error limit, then fails as DATABASE_UNAVAILABLE", async () => {
    const company = await companyWith(1);
    const { secrets, lose } = await start({ ttlMs: 100, staleIfErrorMs: 1500 });
    const theirs = secrets.company(company, product);
    await theirs.get(key);
    lose(true);
    await sleep(150);
    expect(await theirs.get(key)).toBe(value(1));
    expect(secrets.measurements().cache.staleHits).toBe(1);
    await expect(theirs.get("CUSTOM_NEVER_READ")).rejects.toMatchObject({
      code: "DATABASE_UNAVAILABLE",
      retryAfterMs: 1000,
    });
    await sleep(1500);
    expect(await codeOf(theirs.get(key))).toBe("DATABASE_UNAVAILABLE");
    lose(false);
    expect(await theirs.get(key)).toBe(value(1));
    await secrets.flush();
  });

  test("a secret removed before an outage is not served during it", async () => {
    const company = await companyWith(1);
    const { secrets, lose } = await start({ ttlMs: 50 });
    const theirs = secrets.company(company, product);
    await theirs.get(key);
    await theirs.remove(key);
    lose(true);
    expect(await codeOf(theirs.get(key))).toBe("DATABASE_UNAVAILABLE");
  });
});

describe("webhooks and the cache", () => {
  const signing = "STRIPE_WEBHOOK_SECRET";
  const signingSecret = (keyVersion: number) => `whsec_fake_of_the_cache_${keyVersion}`;
  const signed = (keyVersion: number) => {
    const body = Buffer.from("{}");
    const timestamp = Math.floor(Date.now() / 1000);
    const mac = createHmac("sha256", signingSecret(keyVersion))
      .update(`${timestamp}.`)
      .update(body)
      .digest("hex");
    return { headers: new Headers({ "stripe-signature": `t=${timestamp},v1=${mac}` }), body };
  };
  const versionOf = async (
    { secrets }: Process,
    company: string,
    keyVersion: number,
  ): Promise<number | string | undefined> => {
    const verified = secrets.company(company, product).verifyWebhook(signing, signed(keyVersion));
    return verified.then(
      ({ version }) => version,
      () => codeOf(verified),
    );
  };

  const readsOf = async (company: string): Promise<number> => {
    const [row] = await fixture.superuser`
      select sum(count)::int as reads from audit_events e join companies c on c.id = e.company_id
      where subdomain = ${company} and action = 'secret.read' and outcome = 'success'`;
    return Number(row?.["reads"]);
  };
  /** Until a read is a cache hit: a process's own change notification takes a moment to come back. */
  const untilCached = (process: Process, company: string, keyVersion: number): Promise<number> =>
    until(async () => {
      const { hits } = process.secrets.measurements().cache;
      await versionOf(process, company, keyVersion);
      return process.secrets.measurements().cache.hits > hits;
    });

  test("webhooks are verified from the cache, even during a database outage, and each is audited", async () => {
    const company = await fixture.company("database");
    const here = await start({ ttlMs: 1000 });
    const theirs = here.secrets.company(company, product);
    await theirs.set(signing, signingSecret(1));
    await untilCached(here, company, 1);
    await here.secrets.flush();
    const before = await readsOf(company);
    here.lose(true);
    await sleep(1000);
    expect(await versionOf(here, company, 1)).toBe(1);
    expect(here.secrets.measurements().cache.staleHits).toBe(1);
    // A refusal must be audited as well.
    expect(await versionOf(here, company, 2)).toBe("AUDIT_UNAVAILABLE");
    here.lose(false);
    await here.secrets.flush();
    expect((await readsOf(company)) - before).toBe(1);
  });

  test("webhooks follow staged and discarded versions, in the same process at once and in others soon", async () => {
    const company = await fixture.company("database");
    const [here, there] = [await start({}, silentListener()), await start()];
    const theirs = here.secrets.company(company, product);
    await theirs.set(signing, signingSecret(1));
    const everywhere = (keyVersion: number) =>
      Promise.all([here, there].map((process) => versionOf(process, company, keyVersion)));
    expect(await everywhere(1)).toEqual([1, 1]);
    await theirs.stage(signing, signingSecret(2));
    expect(await versionOf(here, company, 2)).toBe(2);
    await until(async () => (await versionOf(there, company, 2)) === 2);
    expect(await everywhere(1)).toEqual([1, 1]);
    await theirs.discard(signing);
    expect(await versionOf(here, company, 2)).toBe("UNAUTHENTICATED");
    await until(async () => (await versionOf(there, company, 2)) === "UNAUTHENTICATED");
    await theirs.remove(signing);
    expect(await versionOf(here, company, 1)).toBe("NOT_FOUND");
    await until(async () => (await versionOf(there, company, 1)) === "NOT_FOUND");
  });

  test("webhooks signed with a version destroyed by plain SQL are refused within moments", async () => {
    const company = await fixture.company("database");
    const here = await start();
    const theirs = here.secrets.company(company, product);
    await theirs.set(signing, signingSecret(1));
    await theirs.set(signing, signingSecret(2), { graceSeconds: 3600 });
    await untilCached(here, company, 1);
    await fixture.superuser`
      update company_secret_versions set value_encrypted = null, company_key_version = null, fingerprint = null, last_four = null, destroyed_at = now()
      from companies c where c.id = company_id and subdomain = ${company} and version = 1`;
    // The head still lists the version as active, but its value is missing: an integrity failure.
    const refused = until(async () => (await versionOf(here, company, 1)) === "INTEGRITY_FAILURE");
    expect(await refused).toBeLessThan(5000);
  });

  test("webhooks signed with a previous version are refused after its grace window, even during an outage", async () => {
    const company = await fixture.company("database");
    const here = await start();
    const theirs = here.secrets.company(company, product);
    await theirs.set(signing, signingSecret(1));
    await theirs.set(signing, signingSecret(2), { graceSeconds: 3 });
    expect(await versionOf(here, company, 1)).toBe(1);
    await untilCached(here, company, 2);
    here.lose(true);
    await sleep(3100);
    expect(await versionOf(here, company, 2)).toBe(2);
    expect(here.secrets.measurements().cache.staleHits).toBe(1);
    expect(await versionOf(here, company, 1)).toBe("AUDIT_UNAVAILABLE");
    here.lose(false);
    expect(await versionOf(here, company, 1)).toBe("UNAUTHENTICATED");
  });
});

test("an expired value is still served, and every kind of read of it is counted", async () => {
  const signing = "STRIPE_WEBHOOK_SECRET";
  const company = await companyWith(1);
  const owner = await fixture.person(company, "owner");
  const { secrets } = await start();
  const theirs = secrets.company(company, product);
  await theirs.set(signing, "whsec_fake_of_the_cache_0");
  const signed = () => {
    const timestamp = Math.floor(Date.now() / 1000);
    const mac = createHmac("sha256", "whsec_fake_of_the_cache_0").update(`${timestamp}.{}`).digest("hex");
    return {
      headers: new Headers({ "stripe-signature": `t=${timestamp},v1=${mac}` }),
      body: Buffer.from("{}"),
    };
  };
  const ways: readonly (() => Promise<unknown>)[] = [
    () => theirs.get(key),
    () => theirs.use(key, (text) => Promise.resolve(text)),
    () => theirs.getMany([key]),
    () => theirs.verifyWebhook(signing, signed()),
    async () =>
      secrets.vault.reveal(await fixture.scope(company, owner), { secretKey: key, purpose: "debugging" }),
  ];
  const countOf = async (read: () => Promise<unknown>): Promise<number> => {
    const before = secrets.measurements().expiredReads;
    await read();
    return secrets.measurements().expiredReads - before;
  };
  const expire = async (expiresAt: Date | null): Promise<void> => {
    for (const each of [key, signing] as const) await theirs.setExpiry(each, { expiresAt });
  };
  for (const [expiresAt, counted] of [
    [null, 0],
    [new Date(Date.now() + 3_600_000), 0],
    [new Date(Date.now() - 1), 1],
  ] as const) {
    await expire(expiresAt);
    // Each read twice: a cache miss, then a cache hit.
    for (const read of [...ways, ...ways])
      expect([String(read), await countOf(read)]).toEqual([String(read), counted]);
  }
  const { hits } = secrets.measurements().cache;
  await until(
    async () => (await countOf(() => theirs.get(key))) === 1 && secrets.measurements().cache.hits > hits,
  );
});

test("a cached value that cannot be decrypted is not served after the stored value is repaired", async () => {
  const company = await companyWith(1);
  const { secrets } = await start();
  const theirs = secrets.company(company, product);
  const [row] = await fixture.superuser`
    select secret_value_encrypted as encrypted from company_secrets s join companies c on c.id = s.company_id where subdomain = ${company}`;
  const encrypted = String(row?.["encrypted"]);
  const set = (text: string) => fixture.superuser`
    update company_secrets set secret_value_encrypted = ${text} from companies c where c.id = company_id and subdomain = ${company}`;
  await set(`${encrypted.slice(0, -4)}${encrypted.endsWith("AAAA") ? "BBBB" : "AAAA"}`);
  await until(async () => (await codeOf(theirs.get(key))) === "INTEGRITY_FAILURE");
  await set(encrypted);
  const mended = until(async () => (await theirs.find(key).catch(() => undefined)) === value(1));
  expect(await mended).toBeLessThan(5000);
});

test("a process without change notifications caches no value", async () => {
  const company = await companyWith(1);
  const secrets = fixture.another();
  await secrets.company(company, product).get(key);
  await secrets.company(company, product).get(key);
  expect(secrets.measurements().cache).toMatchObject({ hits: 0, misses: 2, entries: 0 });
});
