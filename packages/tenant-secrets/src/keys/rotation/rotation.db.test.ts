import { randomBytes } from "node:crypto";
import { generateIdentity, identityToRecipient } from "age-encryption";
import postgres from "postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemCaller } from "@repo/catalog";
import { deriveMasterKey } from "@repo/envelope";
import { codeOf, createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";

const backup = () => Promise.resolve("sha256:fake");
const rotate = (secrets: Fixture["secrets"], timeoutMs = 5000) =>
  secrets.keyRotation.rotate(operator, { backup, timeoutMs });

/** Several companies with values, including one with two versions and one that was removed. */
async function filled(
  count = 3,
): Promise<{ fixture: Fixture; subdomains: string[]; readAll: () => Promise<void> }> {
  const fixture = await createFixture();
  const subdomains: string[] = [];
  for (let i = 0; i < count; i++) subdomains.push(await fixture.company("database"));
  for (const subdomain of subdomains) {
    const acme = fixture.secrets.company(subdomain, product);
    await acme.set("CUSTOM_A", "old");
    await acme.set("CUSTOM_A", `of ${subdomain}`);
    await acme.set("CUSTOM_REMOVED", "x");
    await acme.remove("CUSTOM_REMOVED");
  }
  return {
    fixture,
    subdomains,
    readAll: async () => {
      const fresh = fixture.another();
      for (const subdomain of subdomains) {
        expect(await fresh.company(subdomain, product).get("CUSTOM_A")).toBe(`of ${subdomain}`);
      }
    },
  };
}

async function states(fixture: Fixture): Promise<string[]> {
  const rows =
    await fixture.superuser`select version || ' ' || status as text from master_keys order by version`;
  return rows.map((row) => String(row["text"]));
}

async function keyIn({ infisical }: Fixture, version: number): Promise<string | undefined> {
  return (await infisical.findSecret("/hono-api", `MASTER_ENCRYPTION_KEY_V${version}`))?.value;
}

describe("rotating the master key", () => {
  test("a master key rotation leaves every value readable and every wrap under the new key, and reports so", async () => {
    const { fixture, readAll } = await filled();
    const { report, mac } = await rotate(fixture.secrets);
    await readAll();
    expect(await states(fixture)).toEqual(["1 retired", "2 active"]);
    const status = await fixture.secrets.masterKeys.status(operator);
    expect(status.versions.map(({ version, wraps }) => [version, wraps])).toEqual([
      [1, 0],
      [2, 5],
    ]);
    expect(status.versions[1]?.dueAt?.getTime()).toBeGreaterThan(Date.now() + 89 * 86_400_000);
    expect(JSON.parse(report)).toMatchObject({
      fromVersion: 1,
      toVersion: 2,
      companiesOpened: 3,
      backup: "sha256:fake",
      before: {
        "company_key_wraps.wrapped": { "tk1.default.1": 3 },
        "company_secrets.secret_value_encrypted": { ts1: 6 },
      },
      after: {
        "company_key_wraps.wrapped": { "tk1.default.2": 3 },
        "audit_key_wraps.wrapped": { "tk1.default.2": 2 },
        "company_secrets.secret_value_encrypted": { ts1: 6 },
        "company_secret_versions.value_encrypted": { ts1: 3 },
      },
    });
    await fixture.secrets.masterKeys.verifyReport(operator, { report, mac });
    const edited = { report: report.replace('"companiesOpened": 3', '"companiesOpened": 4'), mac };
    expect(await codeOf(fixture.secrets.masterKeys.verifyReport(operator, edited))).toBe("INTEGRITY_FAILURE");
    expect((await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY"))?.value).toMatch(
      /^[0-9a-f]{64}$/,
    );
  });

  test("a master key rotation has one driver if two start at once, and the other gets CONFLICT", async () => {
    const { fixture, readAll } = await filled(1);
    const codes = await Promise.all([codeOf(rotate(fixture.another())), codeOf(rotate(fixture.another()))]);
    expect(codes.toSorted()).toEqual(["CONFLICT", "no error"]);
    expect(await states(fixture)).toEqual(["1 retired", "2 active"]);
    await readAll();
  });

  test("a master key rotation reports keys that do not decrypt, retains the old key for them, and finishes all others", async () => {
    const { fixture, subdomains } = await filled(4);
    const rows = await fixture.superuser`select id from companies order by subdomain`;
    const [oldWrap = "", newWrap = "", value = ""] = rows.map((row) => String(row["id"]));
    const spoil = (company: string, version: number) => fixture.superuser`
      update company_key_wraps set wrapped = left(wrapped, -4) || 'AAAA'
      where company_id = ${company} and master_key_version = ${version}`;
    await spoil(oldWrap, 1);
    await fixture.superuser`update company_secrets set secret_value_encrypted = left(secret_value_encrypted, -4) || 'AAAA'
      where company_id = ${value} and secret_key = 'CUSTOM_A'`;
    const report = await fixture.secrets.keyRotation.rotate(operator, {
      backup,
      onStep: async ([phase, done]) => {
        if (phase !== "verify" || done !== "begins") return;
        const { versions, rotation } = await fixture.another().masterKeys.status(operator);
        const { wrapped = 0, total = 0 } = rotation ?? {};
        expect(total - wrapped).toBe(1);
        expect(wrapped).toBe(versions[1]?.wraps);
        expect(versions.map(({ damaged }) => damaged)).toEqual([1, 0]);
        await spoil(newWrap, 2);
      },
    });
    expect(JSON.parse(report.report)).toMatchObject({
      companiesOpened: 1,
      undecryptable: {
        keys: [`company-key ${oldWrap} 1`, `company-key ${newWrap} 1`],
        values: [`value ${value} CUSTOM_A version 2`],
      },
      after: { "company_key_wraps.wrapped": { "tk1.default.1": 2, "tk1.default.2": 3 } },
    });
    expect(await codeOf(fixture.secrets.masterKeys.verifyReport(operator, report))).toBe("CONFLICT");
    expect(await states(fixture)).toEqual(["1 retiring", "2 active"]);
    const { versions: left } = await fixture.secrets.masterKeys.status(operator);
    expect(left.map(({ wraps, damaged }) => [wraps, damaged])).toEqual([
      [2, 2],
      [left[1]?.wraps, 0],
    ]);
    const [first = "", second = "", , intact = ""] = subdomains;
    expect(await fixture.another().company(intact, product).get("CUSTOM_A")).toBe(`of ${intact}`);
    for (const subdomain of [first, second])
      await fixture.secrets.shredding.shred(operator, subdomain, { backupsKeptDays: 1 });
    await fixture.secrets.masterKeys.verifyReport(operator, await rotate(fixture.secrets));
    expect(await states(fixture)).toEqual(["1 retired", "2 retired", "3 active"]);
  });

  test("a master key rotation is denied to everyone but operators", async () => {
    const { fixture } = await filled(0);
    expect(await codeOf(fixture.secrets.keyRotation.rotate(product, { backup }))).toBe("FORBIDDEN");
    expect(
      await codeOf(
        fixture.secrets.masterKeys.status(systemCaller("x", { verbs: ["rotate"], secretKeys: ["*"] })),
      ),
    ).toBe("FORBIDDEN");
  });

  test("a master key rotation needs a backup, and continues once there is one", async () => {
    const { fixture } = await filled(1);
    const broken = () => Promise.reject(new Error("no recipients"));
    expect(await codeOf(fixture.secrets.keyRotation.rotate(operator, { backup: broken }))).toBe("INTERNAL");
    expect(await states(fixture)).toEqual(["1 active", "2 pending"]);
    await rotate(fixture.secrets);
    expect(await states(fixture)).toEqual(["1 retired", "2 active"]);
  });

  test("a master key rotation refuses a key that Infisical already has, and names its location", async () => {
    const { fixture, readAll } = await filled(1);
    for (const planted of [
      randomBytes(32).toString("hex"),
      "no key at all",
      `passphrase:${"x".repeat(30)}`,
    ]) {
      await fixture.infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2", planted);
      const error: unknown = await rotate(fixture.secrets).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: "CONFLICT",
        message: expect.stringMatching(/under MASTER_ENCRYPTION_KEY_V2 in the folder \/hono-api/),
      });
      expect(String(error)).not.toContain(planted);
      expect(await keyIn(fixture, 2)).toBe(planted);
    }
    expect(await states(fixture)).toEqual(["1 active"]);
    await readAll();
    await fixture.infisical.deleteSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2");
    await rotate(fixture.secrets);
    expect(await states(fixture)).toEqual(["1 retired", "2 active"]);
    await readAll();
  });

  test("a master key rotation refuses a key that replaced its own in Infisical, at every step", async () => {
    const { fixture, readAll } = await filled(1);
    const planted = randomBytes(32).toString("hex");
    let own = "";
    for (const step of [
      "stage the new key is in Infisical",
      "backup begins",
      "distribute begins",
      "activate begins",
    ]) {
      const rotating = fixture.another().keyRotation.rotate(operator, {
        backup,
        onStep: async ([phase, done]) => {
          if (`${phase} ${done}` !== step) return;
          own = (await keyIn(fixture, 2)) ?? own;
          await fixture.infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2", planted);
        },
      });
      await expect(rotating, step).rejects.toMatchObject({
        code: "CONFLICT",
        message: expect.stringContaining("MASTER_ENCRYPTION_KEY_V2"),
      });
      // A process that starts meanwhile needs no pending key.
      await readAll();
      await fixture.infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2", own);
    }
  });

  test("a rotation that lost its key before the put creates another under the next version, and one that was put is used", async () => {
    const { fixture, readAll } = await filled(1);
    const { faults } = fixture.emulator;
    // The first key never arrives: its check value is committed, and the key is lost.
    const path = /MASTER_ENCRYPTION_KEY_V2/;
    faults.add({ kind: "answer", status: 500 }, { method: "POST", path, times: 10 });
    faults.add({ kind: "answer", status: 500 }, { method: "PATCH", path, times: 10 });
    expect(await codeOf(rotate(fixture.another()))).toBe("KEY_UNAVAILABLE");
    faults.clear();
    expect(await states(fixture)).toEqual(["1 active", "2 pending"]);
    expect(await keyIn(fixture, 2)).toBeUndefined();
    // Neither starting processes nor a manual backup waits for the lost key.
    await readAll();
    const recipients = [await identityToRecipient(await generateIdentity())];
    await fixture.secrets.keyBackups.createBackup(operator, { recipients });
    await rotate(fixture.another());
    expect(await states(fixture)).toEqual(["1 retired", "2 destroyed", "3 active"]);
    await readAll();

    const stopped = fixture.another().keyRotation.rotate(operator, {
      backup,
      onStep: ([, done]) => {
        if (done === "the new key is in Infisical") throw new Error("stopped");
      },
    });
    expect(await codeOf(stopped)).toBe("INTERNAL");
    const put = await keyIn(fixture, 4);
    await rotate(fixture.another());
    expect(await states(fixture)).toEqual(["1 retired", "2 destroyed", "3 retired", "4 active"]);
    expect(await keyIn(fixture, 4)).toBe(put);
    await readAll();
  });

  test("a rotation whose key is removed from Infisical before its activation creates another one", async () => {
    const { fixture, readAll } = await filled(1);
    await fixture.secrets.keyRotation.rotate(operator, {
      backup,
      onStep: async ([phase, done]) => {
        if (`${phase} ${done}` === "activate begins")
          await fixture.infisical.deleteSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2");
      },
    });
    expect(await states(fixture)).toEqual(["1 retired", "2 destroyed", "3 active"]);
    await readAll();
  });
});

describe("an operator", () => {
  test("pauses a rotation of the master key where it is, and it goes on from there, in the same run", async () => {
    const { fixture, readAll } = await filled(3);
    const { runs, keyRotation } = fixture.secrets;
    const [ids, seen]: [string[], unknown[]] = [[], []];
    const paused = fixture.another().keyRotation.rotate(operator, {
      backup,
      onStep: async ([phase, done, progress]) => {
        if (phase !== "rewrap" || !done.includes("wrapped")) return;
        const [run] = await runs.list(operator, { limit: 1 });
        ids.push(run?.id ?? "");
        seen.push(progress);
        expect(await codeOf(runs.cancel(operator, run?.id ?? ""))).toBe("NOT_SUPPORTED");
        await runs.pause(operator, run?.id ?? "");
      },
    });
    await expect(paused).rejects.toMatchObject({ code: "CONFLICT", because: "paused" });
    expect(seen).toMatchObject([{ done: 3, total: 5 }]);
    await readAll();
    const [id = ""] = ids;
    expect(await runs.get(operator, id)).toMatchObject({
      state: "paused",
      phase: "rewrap",
      done: 3,
      total: 5,
    });
    await expect(keyRotation.rotate(operator, { backup })).rejects.toMatchObject({ because: "paused" });
    await runs.resume(operator, id);
    const steps: string[] = [];
    const onStep = ([phase, done]: readonly [string, string, unknown]) => void steps.push(`${phase} ${done}`);
    const { report } = await keyRotation.rotate(operator, { backup, onStep });
    // What was wrapped before is not looked at again.
    expect(steps.slice(0, 3)).toEqual(["rewrap begins", "rewrap 2 keys rewrapped", "rewrap is done"]);
    expect(JSON.parse(report)).toMatchObject({ rotation: id });
    expect(await states(fixture)).toEqual(["1 retired", "2 active"]);
    await readAll();
  });
});

describe("serving processes and rotations", () => {
  test("a rotation waits until serving processes have loaded the new key, and they continue with it", async () => {
    const { fixture, subdomains } = await filled(1);
    const serving = fixture.another();
    const alarms: string[] = [];
    const member = await serving.serve(fixture.urls.listener, (error) => alarms.push(error.code));
    onTestFinished(() => member.stop());
    await rotate(fixture.secrets);
    const status = await fixture.secrets.masterKeys.status(operator);
    expect(status.processes).toHaveLength(1);
    await serving.company(subdomains[0] ?? "", product).set("CUSTOM_NEW", "after");
    await serving.companies.create(operator, { subdomain: "late", secretStore: "database" });
    await serving.company("late", product).set("CUSTOM_A", "sealed under the new key");
    expect(alarms).toEqual([]);
    expect(member.isListening()).toBe(true);
    expect((await fixture.secrets.masterKeys.status(operator)).versions.map(({ wraps }) => wraps)).toEqual([
      0, 4,
    ]);
  });

  test("a rotation does not wait for processes that could not join or have left", async () => {
    const { fixture } = await filled(0);
    const nowhere = new URL(fixture.urls.listener);
    nowhere.password = "wrong";
    expect(await codeOf(fixture.another().serve(nowhere.href, () => {}))).not.toBe("no error");
    const member = await fixture.another().serve(fixture.urls.listener, () => {});
    void member.beat();
    await member.stop();
    expect(await fixture.superuser`select from processes`).toHaveLength(0);
  });

  test("a rotation is blocked by processes that do not load the key, and names them", async () => {
    const { fixture } = await filled(0);
    await fixture.secrets.prepare();
    await fixture.superuser`insert into processes (id, region, master_key_versions, seen_at)
      values ('11111111-1111-4111-8111-111111111111', 'default', '{1}', now() + interval '1 minute')`;
    await expect(rotate(fixture.secrets, 100)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("11111111-1111-4111-8111-111111111111"),
    });
    expect(await states(fixture)).toEqual(["1 active", "2 pending"]);
    await fixture.superuser`update processes set seen_at = now() - interval '1 minute'`;
    await rotate(fixture.secrets);
    expect(await states(fixture)).toEqual(["1 retired", "2 active"]);
  });

  test("a serving process keeps the last good key if Infisical has a wrong one, with one alarm; a starting process refuses it", async () => {
    const { fixture, subdomains } = await filled(1);
    const serving = fixture.another();
    const alarms: string[] = [];
    const member = await serving.serve(fixture.urls.listener, (error) =>
      alarms.push(`${error.code} ${error.message}`),
    );
    onTestFinished(() => member.stop());
    await fixture.infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
    // Any change of the registry triggers a reload.
    for (let i = 0; i < 2; i++) await fixture.superuser`select pg_notify('tenant_secrets', 'master-keys')`;
    await expect.poll(() => alarms.length, { timeout: 60_000 }).toBe(1);
    expect(alarms[0]).toMatch(/^MASTER_KEY_WRONG .*version 1/);
    await serving.company(subdomains[0] ?? "", product).set("CUSTOM_NEW", "still sealed under the good one");
    expect(await codeOf(fixture.another().prepare())).toBe("MASTER_KEY_WRONG");
  });

  test("a serving process retries a missing pending key at intervals, and loads it when notified", async () => {
    const { fixture } = await filled(0);
    await fixture.secrets.prepare();
    let asked = 0;
    const { infisical } = fixture;
    const listSecrets: typeof infisical.listSecrets = (path) => {
      asked++;
      return infisical.listSecrets(path);
    };
    const alarms: string[] = [];
    const serving = fixture.another({ infisical: { ...infisical, listSecrets } });
    const member = await serving.serve(fixture.urls.listener, (error) => alarms.push(error.code));
    onTestFinished(() => member.stop());
    const text = randomBytes(32).toString("hex");
    await fixture.superuser`insert into master_keys (region, version, status, derivation, check_value)
      values ('default', 2, 'pending', 'hkdf-sha256', ${deriveMasterKey(text, "default", 2).checkValue})`;
    for (let i = 0; i < 60; i++) await member.beat();
    expect(asked).toBeLessThan(20);
    const loaded = async () => {
      const [row] = await fixture.superuser`select master_key_versions as versions from processes`;
      return row?.["versions"];
    };
    expect(await loaded()).toEqual([1]);
    await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2", text);
    await fixture.superuser`select pg_notify('tenant_secrets', 'master-keys')`;
    await expect.poll(loaded, { timeout: 60_000 }).toEqual([1, 2]);
    expect(alarms).toEqual([]);
  });

  test("a serving process is notified of changes in other processes, and of a possible gap after a lost connection", async () => {
    const { fixture, subdomains } = await filled(1);
    const serving = fixture.another();
    const member = await serving.serve(fixture.urls.listener, () => {});
    onTestFinished(() => member.stop());
    const acme = serving.company(subdomains[0] ?? "", product);
    await acme.get("CUSTOM_A");
    const destroy = () =>
      fixture.superuser`update company_keys set status = 'destroyed', destroyed_at = now()`;
    await fixture.superuser`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'tenant-secrets listener' and datname = current_database()`;
    await destroy();
    await expect.poll(() => codeOf(acme.get("CUSTOM_A")), { timeout: 60_000 }).toBe("KEY_DESTROYED");
    expect(await codeOf(acme.set("CUSTOM_A", "x"))).toBe("KEY_DESTROYED");
  });
});

test(
  "200 writes and 1,000 reads a second go on during a rotation, and none fails",
  { timeout: 180_000 },
  async () => {
    const { fixture, subdomains } = await filled(4);
    const serving = fixture.another();
    const member = await serving.serve(fixture.urls.listener, () => {});
    onTestFinished(() => member.stop());
    const failures: string[] = [];
    const ended = new AbortController();
    let [reads, writes] = [0, 0];
    const paced = async (perSecond: number, call: (i: number) => Promise<unknown>): Promise<void> => {
      const startedAt = performance.now();
      for (let i = 0; !ended.signal.aborted; i++) {
        const waitMs = startedAt + (i * 1000) / perSecond - performance.now();
        if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
        await call(i).catch((error: unknown) => failures.push(String(error)));
      }
    };
    const company = (i: number) => serving.company(subdomains[i % subdomains.length] ?? "", product);
    const load = [
      ...Array.from({ length: 8 }, () =>
        paced(125, async (i) => {
          await company(i).get("CUSTOM_A");
          reads++;
        }),
      ),
      ...Array.from({ length: 4 }, (_, lane) =>
        paced(50, async (i) => {
          await company(i).set(`CUSTOM_LOAD_${lane}`, `value ${i}`);
          writes++;
        }),
      ),
    ];
    await new Promise((resolve) => setTimeout(resolve, 500));
    await rotate(fixture.secrets);
    await new Promise((resolve) => setTimeout(resolve, 500));
    ended.abort();
    await Promise.all(load);
    expect(failures).toEqual([]);
    expect(Math.min(reads, writes)).toBeGreaterThan(20);
  },
);

describe("destroying a master key", () => {
  const first = "MASTER_ENCRYPTION_KEY";
  const target = { method: "DELETE", path: /MASTER_ENCRYPTION_KEY/ };
  const outcomesOf = async (fixture: Fixture) => {
    const events =
      await fixture.superuser`select outcome from audit_events where action = 'key.destroy' order by position`;
    return events.map((event) => event["outcome"]);
  };

  test.each([
    ["refuses it", { kind: "answer", status: 403, body: { message: "fake" } }, /answered FORBIDDEN/],
    ["fails", { kind: "answer", status: 500 }, /answered (SERVER_ERROR|AMBIGUOUS)/],
    ["says that it did it", { kind: "answer", status: 200, body: { secret: {} } }, /still has it/],
  ] as const)(
    "a destruction while Infisical %s and still has the key is not registered, and completes when it is repeated",
    async (_, fault, sentence) => {
      const { fixture } = await filled(0);
      await rotate(fixture.secrets);
      fixture.emulator.faults.add(fault, { ...target, times: 5 });
      await expect(fixture.secrets.masterKeys.destroy(operator, 1)).rejects.toMatchObject({
        code: "CONFLICT",
        message: expect.stringMatching(sentence),
      });
      expect(await states(fixture)).toEqual(["1 retired", "2 active"]);
      expect(await fixture.infisical.findSecret("/hono-api", first)).toBeDefined();
      fixture.emulator.faults.clear();
      await fixture.another().masterKeys.destroy(operator, 1);
      expect(await states(fixture)).toEqual(["1 destroyed", "2 active"]);
      expect(await fixture.infisical.findSecret("/hono-api", first)).toBeUndefined();
      expect(await outcomesOf(fixture)).toEqual(["attempted", "failed", "attempted", "success"]);
    },
  );

  test("a destruction that cannot be confirmed by a read is audited as unknown, and completes when it is repeated", async () => {
    const { fixture } = await filled(0);
    await rotate(fixture.secrets);
    fixture.emulator.faults.add(
      { kind: "answer", status: 403, body: { message: "fake" } },
      { method: "GET", path: target.path },
    );
    expect(await codeOf(fixture.secrets.masterKeys.destroy(operator, 1))).toBe("STORE_UNAVAILABLE");
    expect(await states(fixture)).toEqual(["1 retired", "2 active"]);
    await fixture.another().masterKeys.destroy(operator, 1);
    expect(await states(fixture)).toEqual(["1 destroyed", "2 active"]);
    expect(await outcomesOf(fixture)).toEqual(["attempted", "unknown", "attempted", "success"]);
  });

  test("a destruction is refused while something is wrapped under the key", async () => {
    const { fixture } = await filled(1);
    const wraps = await fixture.superuser`select * from company_key_wraps`;
    await rotate(fixture.secrets);
    await fixture.superuser.begin(async (sql) => {
      await sql`set local session_replication_role = replica`;
      await sql`insert into company_key_wraps ${sql(wraps)}`;
    });
    expect(await codeOf(fixture.secrets.masterKeys.destroy(operator, 1))).toBe("CONFLICT");
    expect(await fixture.infisical.findSecret("/hono-api", first)).toBeDefined();
  });
});

describe("the database's checks of master keys", () => {
  test("the database refuses wraps under an inactive key, skipped states, and the deletion of a last wrap", async () => {
    const { fixture } = await filled(1);
    await rotate(fixture.secrets);
    const attempt = (text: string) =>
      fixture.superuser.unsafe(text).then(
        () => "done",
        (error: unknown) => (error instanceof postgres.PostgresError ? error.code : "?"),
      );
    const wrap = (version: number) =>
      `insert into company_key_wraps select company_id, key_version, region, ${version}, wrapped from company_key_wraps limit 1`;
    expect(await attempt(wrap(1))).toBe("55000");
    expect(await attempt("delete from company_key_wraps")).toBe("23000");
    expect(await attempt("delete from audit_key_wraps")).toBe("23000");
    expect(await attempt("delete from master_keys where version = 1")).toBe("23000");
    for (const status of ["pending", "active", "retiring"])
      expect(await attempt(`update master_keys set status = '${status}' where version = 1`), status).toBe(
        "23000",
      );
    expect(await attempt("update master_keys set check_value = 'x' where version = 1")).toBe("23000");
    expect(await attempt("update master_keys set status = 'retiring' where version = 2")).toBe("done");
    expect(await attempt("update master_keys set status = 'retired' where version = 2")).toBe("23000");
    expect(await attempt("update company_keys set status = 'destroyed'")).toBe("done");
    expect(
      await attempt(
        "insert into master_keys select region, 3, 'active', derivation, parameters, check_value from master_keys where version = 2",
      ),
    ).toBe("done");
    expect(await attempt(wrap(3))).toBe("23000");
  });

  test("a database restored from before a rotation works with the current keys; without the old one, it names the missing key", async () => {
    const { fixture, subdomains } = await filled(1);
    const restored = await fixture.copy();
    await rotate(fixture.secrets);
    expect(
      await restored()
        .company(subdomains[0] ?? "", product)
        .get("CUSTOM_A"),
    ).toBe(`of ${subdomains[0]}`);
    expect(await codeOf(fixture.secrets.masterKeys.destroy(operator, 2))).toBe("CONFLICT");
    await fixture.secrets.masterKeys.destroy(operator, 1);
    await fixture.secrets.masterKeys.destroy(operator, 1);
    expect(await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY")).toBeUndefined();
    expect(await states(fixture)).toEqual(["1 destroyed", "2 active"]);
    await expect(restored().prepare()).rejects.toMatchObject({
      code: "MASTER_KEY_MISSING",
      message: expect.stringContaining("MASTER_ENCRYPTION_KEY is not in"),
    });
  });
});

test("every encrypted column is in the list that rotation and its report use", async () => {
  const { fixture } = await filled(1);
  await rotate(fixture.secrets);
  const columns =
    await fixture.superuser`select table_name as table, column_name as column from information_schema.columns
    where table_schema = 'public' and data_type in ('text', 'jsonb', 'ARRAY', 'character varying')`;
  const encrypted: string[] = [];
  for (const { table, column } of columns) {
    const [found] = await fixture.superuser`select 1 from ${fixture.superuser(String(table))}
      where ${fixture.superuser(String(column))}::text ~ '^(ts1|tk1)[.]' limit 1`;
    if (found !== undefined) encrypted.push(`${table}.${column}`);
  }
  expect(encrypted.toSorted()).toEqual([
    "audit_key_wraps.wrapped",
    "company_key_wraps.wrapped",
    "company_secret_versions.value_encrypted",
    "company_secrets.secret_value_encrypted",
  ]);
});
