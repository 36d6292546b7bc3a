import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { companyIdOf } from "../../companies/company-id.ts";
import { codeOf, createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";
import { assembleTenantSecrets } from "../../assemble.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});

const rotate = (subdomain: string, onReencrypted?: (values: number) => void | Promise<void>) =>
  fixture.another().companyKeyRotation.rotateCompanyKey(operator, subdomain, onReencrypted);

/** A company with a secret of two versions, a removed secret, and two equal ones. */
async function filled(): Promise<string> {
  const subdomain = await fixture.company("database");
  const acme = fixture.secrets.company(subdomain, product);
  await acme.set("CUSTOM_A", "first");
  await acme.set("CUSTOM_A", "second", { note: "why" });
  await acme.set("CUSTOM_SAME", "second");
  await acme.set("CUSTOM_REMOVED", "gone");
  await acme.remove("CUSTOM_REMOVED");
  return subdomain;
}

async function keysOf(subdomain: string): Promise<string[]> {
  const rows = await fixture.superuser`
    select k.key_version || ' ' || k.status || ' ' || (select count(*) from company_key_wraps w where w.company_id = k.company_id and w.key_version = k.key_version) || ' ' || (k.destroyed_at is not null) as text
    from company_keys k join companies c on c.id = k.company_id where c.subdomain = ${subdomain} order by k.key_version`;
  return rows.map((row) => String(row["text"]));
}

/** The key versions of everything encrypted of a company. */
async function numbersOf(subdomain: string): Promise<unknown> {
  const rows = await fixture.superuser`
    select distinct split_part(value_encrypted, '.', 2)::int as "keyVersion", split_part(value_encrypted, '.', 2)::int = company_key_version as same from (
      select company_id, secret_value_encrypted as value_encrypted, company_key_version from company_secrets
      union all select company_id, value_encrypted, company_key_version from company_secret_versions) s
    join companies c on c.id = s.company_id where c.subdomain = ${subdomain} and value_encrypted is not null`;
  return rows.map((row) => ({ ...row }));
}

describe("rotating a company's key", () => {
  test("a company key rotation leaves every value unchanged under the new key, and destroys the old key", async () => {
    const [subdomain, other] = [await filled(), await filled()];
    const acme = fixture.secrets.company(subdomain, product);
    const before = await acme.list();
    expect(await rotate(subdomain)).toEqual({ keyVersion: 2, values: 4, destroyed: [1] });
    expect(await keysOf(subdomain)).toEqual(["1 destroyed 0 true", "2 active 1 false"]);
    expect(await numbersOf(subdomain)).toEqual([{ keyVersion: 2, same: true }]);
    expect(await keysOf(other)).toEqual(["1 active 1 false"]);
    // This process had the old key cached.
    expect(await acme.get("CUSTOM_A")).toBe("second");
    await acme.restore("CUSTOM_REMOVED");
    expect(await acme.get("CUSTOM_REMOVED")).toBe("gone");
    const fresh = fixture.another().company(subdomain, product);
    expect(await fresh.get("CUSTOM_SAME")).toBe("second");
    const after = await acme.list();
    const [a, , same] = after.secrets;
    expect(a?.fingerprint).toBe(same?.fingerprint);
    expect(a?.fingerprint).not.toBe(before.secrets[0]?.fingerprint);
    expect({ ...a, fingerprint: "" }).toEqual({ ...before.secrets[0], fingerprint: "" });
    await acme.set("CUSTOM_NEW", "second");
    expect((await acme.list()).secrets.find(({ secretKey }) => secretKey === "CUSTOM_NEW")?.fingerprint).toBe(
      a?.fingerprint,
    );
  });

  test("a company key rotation is audited with the new key's version", async () => {
    const subdomain = await filled();
    await rotate(subdomain);
    const events = await fixture.superuser`
      select action, version, outcome from audit_events e join companies c on c.id = e.company_id
      where c.subdomain = ${subdomain} and action like 'key.%-company' order by position`;
    expect(events.map((event) => ({ ...event }))).toEqual([
      { action: "key.rotate-company", version: 2, outcome: "success" },
      { action: "key.destroy-company", version: 1, outcome: "success" },
    ]);
  });

  test("a company key rotation is denied to everyone but operators, and needs an existing key", async () => {
    const subdomain = await filled();
    const { companyKeyRotation } = fixture.secrets;
    expect(await codeOf(companyKeyRotation.rotateCompanyKey(product, subdomain))).toBe("FORBIDDEN");
    expect(await codeOf(rotate("nobody"))).toBe("NOT_FOUND");
    expect(await codeOf(rotate(await fixture.company("infisical")))).toBe("CONFLICT");
    expect(await keysOf(subdomain)).toEqual(["1 active 1 false"]);
  });

  test("a company key rotation skips a value that does not decrypt, keeps its key, and names the value", async () => {
    const subdomain = await filled();
    await fixture.superuser`update company_secrets s set secret_value_encrypted = 'ts1.1.AAAAAAAAAAAAAAAA.AAAA' from companies c
      where c.id = s.company_id and c.subdomain = ${subdomain} and secret_key = 'CUSTOM_SAME'`;
    await expect(rotate(subdomain)).rejects.toMatchObject({
      code: "INTEGRITY_FAILURE",
      message: expect.stringContaining("retained for them: CUSTOM_SAME version 1. Everything else"),
    });
    expect(await keysOf(subdomain)).toEqual(["1 retiring 1 false", "2 active 1 false"]);
    const acme = fixture.secrets.company(subdomain, product);
    expect(await acme.get("CUSTOM_A")).toBe("second");
    await fixture.superuser`delete from company_secret_versions where secret_key = 'CUSTOM_SAME'`;
    await fixture.superuser`delete from company_secrets where secret_key = 'CUSTOM_SAME'`;
    expect(await rotate(subdomain)).toEqual({ keyVersion: 2, values: 0, destroyed: [1] });
  });

  test("two concurrent rotations of a company's key end with one new key", async () => {
    const subdomain = await filled();
    const both = await Promise.all([rotate(subdomain), rotate(subdomain)]);
    const keyVersions = both.map(({ keyVersion }) => keyVersion);
    // The second may start after the first is done, and is then another rotation.
    expect(Math.max(...keyVersions)).toBeLessThanOrEqual(3);
    expect((await keysOf(subdomain)).filter((key) => key.includes("destroyed"))).toHaveLength(
      Math.max(...keyVersions) - 1,
    );
    expect(await fixture.secrets.company(subdomain, product).get("CUSTOM_A")).toBe("second");
  });

  test("a rotation that another process drives is joined at once, and an emergency rotation waits for its end", async () => {
    const subdomain = await filled();
    const [row] = await fixture.superuser`select id from companies where subdomain = ${subdomain}`;
    const companyId = companyIdOf({ id: String(row?.["id"]) });
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const first = rotate(subdomain, () => {
      reached.resolve();
      return released.promise;
    });
    await reached.promise;
    const [run] = await fixture.secrets.runs.list(operator, { limit: 1 });
    const joined = { keyVersion: 2, values: 0, destroyed: [], drivenElsewhere: run?.id };
    expect(await rotate(subdomain)).toEqual(joined);
    let ended = false;
    const emergency = fixture
      .another()
      .companyKeyRotation.replaceOldKeys(operator, { companyId, madeUntil: new Date(0) })
      .then((rotated) => {
        ended = true;
        return rotated;
      });
    await sleep(600);
    expect(ended).toBe(false);
    released.resolve();
    expect(await first).toMatchObject({ keyVersion: 2, destroyed: [1] });
    expect(await emergency).toEqual({ keyVersion: 2, values: 0, destroyed: [] });
  });

  test("a read that found a value under the old key succeeds even if the key is destroyed before it is loaded", async () => {
    const subdomain = await filled();
    const { database, infisical } = fixture;
    let rotated: unknown;
    const late = assembleTenantSecrets({
      database: {
        ...database,
        // The value was found; its key is loaded next.
        inCompany: async (companyId, work) => {
          rotated ??= await rotate(subdomain);
          return database.inCompany(companyId, work);
        },
      },
      infisical,
      catalog: deliveryChatCatalog,
    });
    expect(await late.company(subdomain, product).get("CUSTOM_A")).toBe("second");
    expect(rotated).toMatchObject({ destroyed: [1] });
  });

  test("a write under the replaced key is refused, and its retry succeeds under the new key", async () => {
    const subdomain = await filled();
    const released = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const holding = fixture.superuser.begin(async (sql) => {
      await sql`select pg_advisory_xact_lock(hashtextextended('company ' || id, 0)) from companies where subdomain = ${subdomain}`;
      held.resolve();
      await released.promise;
    });
    await held.promise;
    const waiting = () =>
      fixture.superuser`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    const rotating = rotate(subdomain);
    await expect.poll(waiting).toHaveLength(1);
    // It has the old key cached, and gets the lock when there is a new key.
    const writing = fixture.secrets.company(subdomain, product).set("CUSTOM_NEW", "written meanwhile");
    await expect.poll(waiting).toHaveLength(2);
    released.resolve();
    await holding;
    expect(await writing).toEqual({ version: 1 });
    expect(await rotating).toMatchObject({ keyVersion: 2, destroyed: [1] });
    expect(await numbersOf(subdomain)).toEqual([{ keyVersion: 2, same: true }]);
    expect(await fixture.another().company(subdomain, product).get("CUSTOM_NEW")).toBe("written meanwhile");
  });
});

test("reads and writes succeed without failure during rotations", { timeout: 180_000 }, async () => {
  const subdomain = await filled();
  const serving = fixture.another();
  const member = await serving.serve(fixture.urls.listener, () => {});
  onTestFinished(() => member.stop());
  const acme = serving.company(subdomain, product);
  const written = new Map<string, string>();
  const failures: string[] = [];
  const stopping = new AbortController();
  let reads = 0;
  const lane = async (call: (i: number) => Promise<unknown>): Promise<void> => {
    for (let i = 0; !stopping.signal.aborted; i++) {
      await call(i).catch((error: unknown) => failures.push(String(error)));
      // A cached read does not wait for anything, and would block the event loop.
      await setImmediate();
    }
  };
  const load = [
    ...Array.from({ length: 4 }, () =>
      lane(async () => {
        if ((await acme.get("CUSTOM_SAME")) === "second") reads++;
      }),
    ),
    ...Array.from({ length: 4 }, (_, number) =>
      lane(async (i) => {
        const name = `CUSTOM_LOAD_${number}` as const;
        await acme.set(name, `value ${i}`, i % 2 === 0 ? {} : { requestId: `${number}-${i}` });
        written.set(name, `value ${i}`);
        if ((await acme.get(name)) !== `value ${i}`) failures.push(`${name} is not what was written`);
      }),
    ),
  ];
  for (let i = 0; i < 4; i++) await rotate(subdomain);
  stopping.abort();
  await Promise.all(load);
  expect(failures).toEqual([]);
  expect(Math.min(reads, written.size)).toBeGreaterThan(3);
  const fresh = fixture.another().company(subdomain, product);
  for (const [name, value] of written) expect(await fresh.get(name as "CUSTOM_A")).toBe(value);
  await rotate(subdomain);
  expect((await keysOf(subdomain)).filter((key) => !key.includes("destroyed 0 true"))).toEqual([
    "6 active 1 false",
  ]);
});

describe("retried writes and key rotations", () => {
  const write = (
    subdomain: string,
    value: string,
    { note, requestId = "deploy-17" }: { readonly note: string; readonly requestId?: string },
  ) => fixture.another().company(subdomain, product).set("CUSTOM_A", value, { requestId, note });

  test("a retried write is recognised after a rotation, and a different one under its id is refused", async () => {
    const subdomain = await filled();
    expect(await write(subdomain, "third", { note: "n" })).toEqual({ version: 3 });
    await rotate(subdomain);
    await fixture.secrets.company(subdomain, product).set("CUSTOM_A", "later");
    expect(await write(subdomain, "third", { note: "n" })).toEqual({ version: 3 });
    expect(await codeOf(write(subdomain, "other", { note: "n" }))).toBe("CONFLICT");
    expect(await codeOf(write(subdomain, "third", { note: "m" }))).toBe("CONFLICT");
    await rotate(subdomain);
    expect(await write(subdomain, "third", { note: "n" })).toEqual({ version: 3 });
    // The same value and version in a different request.
    const other = fixture.secrets.company(subdomain, product);
    for (const value of ["1", "2", "third"]) await other.set("CUSTOM_B", value, { note: "n" });
    expect(await codeOf(other.set("CUSTOM_B", "third", { requestId: "deploy-17", note: "n" }))).toBe(
      "CONFLICT",
    );
    expect(await write(subdomain, "fifth", { note: "n", requestId: "deploy-18" })).toEqual({ version: 5 });
  });

  test("a retried write is recognised in the middle of a rotation, while its version is still under the old key", async () => {
    const subdomain = await filled();
    await write(subdomain, "third", { note: "n" });
    await codeOf(
      rotate(subdomain, () => {
        throw new Error("stopped");
      }),
    );
    await fixture.superuser`update company_secret_versions set fingerprint = 'of another key' where note = 'n'`;
    expect(await write(subdomain, "third", { note: "n" })).toEqual({ version: 3 });
    expect(await codeOf(write(subdomain, "other", { note: "n" }))).toBe("CONFLICT");
  });
});

test("a rotation re-encrypts more values than one batch holds", async () => {
  const subdomain = await fixture.company("database");
  const acme = fixture.secrets.company(subdomain, product);
  for (let i = 0; i < 210; i += 10) {
    await Promise.all(
      Array.from({ length: 10 }, async (_, j) => {
        await acme.set(`CUSTOM_KEY_${i + j}`, `fake ${i + j}`);
      }),
    );
  }
  const sums: number[] = [];
  expect(await rotate(subdomain, (values) => void sums.push(values))).toEqual({
    keyVersion: 2,
    values: 210,
    destroyed: [1],
  });
  expect(sums).toEqual([200, 210]);
  expect(await fixture.another().company(subdomain, product).get("CUSTOM_KEY_209")).toBe("fake 209");
});

describe("an operator", () => {
  const newest = async () => (await fixture.secrets.runs.list(operator, { limit: 1 }))[0]?.id ?? "";

  test("cancels a rotation in the middle: every value is read, and the next rotation ends under one key", async () => {
    const subdomain = await filledWith(300);
    const cancelled = rotate(subdomain, async () => {
      await fixture.secrets.runs.cancel(operator, await newest());
    });
    await expect(cancelled).rejects.toMatchObject({ code: "CONFLICT", because: "cancelled" });
    expect(await keysOf(subdomain)).toEqual(["1 retiring 1 false", "2 active 1 false"]);
    const fresh = fixture.another().company(subdomain, product);
    for (const no of [0, 150, 299]) expect(await fresh.get(`CUSTOM_KEY_${no}`)).toBe(`fake ${no}`);
    expect(await rotate(subdomain)).toMatchObject({ values: 100, destroyed: [1] });
    expect(await keysOf(subdomain)).toEqual(["1 destroyed 0 true", "2 active 1 false"]);
    expect(await fresh.get("CUSTOM_KEY_299")).toBe("fake 299");
  });

  test("finds the rotation of a company that was shredded meanwhile cancelled, with the reason", async () => {
    const subdomain = await filled();
    await fixture.secrets.companyKeyRotation.requestRotation(operator, subdomain);
    const id = await newest();
    await fixture.secrets.shredding.shred(operator, subdomain, { backupsKeptDays: 1 });
    const work = fixture.another().runs.work["rotate-company-key"];
    expect(await codeOf(work?.(id, new AbortController().signal) ?? Promise.resolve())).toBe("KEY_DESTROYED");
    expect(await fixture.secrets.runs.get(operator, id)).toMatchObject({
      state: "cancelled",
      error: { code: "KEY_DESTROYED" },
      driven: false,
    });
  });
});

/** A company with the given number of values, written in batches. */
async function filledWith(count: number): Promise<string> {
  const subdomain = await fixture.company("database");
  const acme = fixture.secrets.company(subdomain, product);
  for (let i = 0; i < count; i += 100) {
    await acme.setMany(
      Object.fromEntries(
        Array.from({ length: Math.min(100, count - i) }, (_, j) => [`CUSTOM_KEY_${i + j}`, `fake ${i + j}`]),
      ),
    );
  }
  return subdomain;
}

test(
  "two rotations of one company with 1,500 values both end, under the newer key, in a bounded number of batches",
  { timeout: 180_000 },
  async () => {
    const subdomain = await filledWith(1500);
    const [row] = await fixture.superuser`select id from companies where subdomain = ${subdomain}`;
    const companyId = companyIdOf({ id: String(row?.["id"]) });
    let batches = 0;
    const count = () => {
      // One rotation alone takes eight.
      if (++batches > 40) throw new Error("the two go on and on");
    };
    let answer: Promise<unknown> | undefined;
    const first = rotate(subdomain, () => {
      count();
      // An emergency rotation starts when the first batch of the rotation is done.
      answer ??= fixture
        .another()
        .companyKeyRotation.replaceOldKeys(operator, { companyId, madeUntil: new Date() }, count);
    });
    expect(await first).toMatchObject({ keyVersion: 3 });
    expect(await answer).toMatchObject({ keyVersion: 3 });
    expect(await keysOf(subdomain)).toEqual(["1 destroyed 0 true", "2 destroyed 0 true", "3 active 1 false"]);
    expect(await numbersOf(subdomain)).toEqual([{ keyVersion: 3, same: true }]);
    const fresh = fixture.another().company(subdomain, product);
    for (const keyVersion of [0, 199, 200, 1499])
      expect(await fresh.get(`CUSTOM_KEY_${keyVersion}`)).toBe(`fake ${keyVersion}`);
  },
);

test("ten concurrent rotations of one company all end, with one remaining key", async () => {
  const subdomain = await filled();
  const rotated = await Promise.all(Array.from({ length: 10 }, () => rotate(subdomain)));
  const last = Math.max(...rotated.map(({ keyVersion }) => keyVersion));
  expect((await keysOf(subdomain)).filter((key) => !key.includes("destroyed 0 true"))).toEqual([
    `${last} active 1 false`,
  ]);
  expect(await numbersOf(subdomain)).toEqual([{ keyVersion: last, same: true }]);
  expect(await fixture.another().company(subdomain, product).get("CUSTOM_A")).toBe("second");
});

describe("the database's checks of company keys", () => {
  const attempt = (text: string) =>
    fixture.superuser.unsafe(text).then(
      () => "done",
      (error: unknown) => (error instanceof postgres.PostgresError ? error.constraint_name : String(error)),
    );
  /** A company in the middle of a rotation: nothing is under the new key yet. */
  const begun = async (): Promise<{ subdomain: string; where: string }> => {
    const subdomain = await filled();
    await fixture.secrets.company(subdomain, product).stage("CUSTOM_A", "pending");
    await fixture.secrets.companyKeyRotation.requestRotation(operator, subdomain);
    return { subdomain, where: `company_id = (select id from companies where subdomain = '${subdomain}')` };
  };

  test("the database refuses encryption under an inactive key in every role, and lets existing values stay and move", async () => {
    const { subdomain, where } = await begun();
    const forged = `'ts1.1.' || repeat('A', 60)`;
    const refused = [
      `update company_secrets set secret_value_encrypted = ${forged} where secret_key = 'CUSTOM_A' and ${where}`,
      `update company_secret_versions set value_encrypted = ${forged} where secret_key = 'CUSTOM_A' and version = 1 and ${where}`,
      // The encrypted value of another version or secret is not a value of this one.
      `update company_secret_versions v set value_encrypted = h.secret_value_encrypted from company_secrets h
        where h.company_id = v.company_id and h.secret_key = 'CUSTOM_A' and v.secret_key = 'CUSTOM_A' and v.version = 1 and v.${where}`,
      `update company_secrets h set secret_value_encrypted = o.secret_value_encrypted from company_secrets o
        where o.company_id = h.company_id and o.secret_key = 'CUSTOM_A' and h.secret_key = 'CUSTOM_SAME' and h.${where}`,
      `insert into company_secrets (company_id, secret_key, secret_value_encrypted, company_key_version, current_version, last_version, origin, mac_key_version, mac)
        select id, 'CUSTOM_X', ${forged}, 1, 1, 1, 'written', 1, '' from companies where subdomain = '${subdomain}'`,
      `insert into company_secret_versions (company_id, secret_key, version, value_encrypted, company_key_version, actor_kind, actor_id)
        select id, 'CUSTOM_A', 9, ${forged}, 1, 'job', 'x' from companies where subdomain = '${subdomain}'`,
    ];
    for (const text of refused) expect(await attempt(text), text).toBe("company_key_not_active");
    const acme = fixture.secrets.company(subdomain, product);
    await acme.promote("CUSTOM_A");
    await acme.restore("CUSTOM_REMOVED");
    expect(
      await attempt(`update company_secret_versions set note = note, last_four = 'x' where ${where}`),
    ).toBe("done");
    expect([await acme.get("CUSTOM_A"), await acme.get("CUSTOM_REMOVED")]).toEqual(["pending", "gone"]);
    await acme.rollback("CUSTOM_A", { toVersion: 1 });
    expect(await rotate(subdomain)).toMatchObject({ keyVersion: 2, destroyed: [1] });
    expect(await fixture.another().company(subdomain, product).get("CUSTOM_A")).toBe("first");
  });
});
