import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import postgres from "postgres";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { codeOf, createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";
import { verifyReceipt } from "../../receipts.ts";
import { readReceipt, type SignedReceipt } from "../../runs/signed-receipt.ts";
import { ShreddingReceipt } from "./receipt.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});

const value = "sk_test_fake_shred_0001";
const backup = () => Promise.resolve("sha256:fake");

/** A company with a current and an earlier version, a removed secret and a stored request id. */
async function filled(): Promise<string> {
  const subdomain = await fixture.company("database");
  const company = fixture.secrets.company(subdomain, product);
  await company.set("CUSTOM_A", "sk_test_fake_shred_0000", { note: "the first" });
  await company.set("CUSTOM_A", value, { requestId: "once" });
  await company.set("CUSTOM_REMOVED", value);
  await company.remove("CUSTOM_REMOVED");
  return subdomain;
}

function shred(subdomain: string, withInfisicalFolder = false, secrets = fixture.secrets) {
  return secrets.shredding.shred(operator, subdomain, { backupsKeptDays: 30, withInfisicalFolder });
}

function contentOf({ receipt }: SignedReceipt): ShreddingReceipt {
  return readReceipt(ShreddingReceipt, receipt);
}

/** With the key of the deployment that signed, which it makes from its private key. */
async function verifyHere(text: string, { shredding } = fixture.secrets): Promise<unknown> {
  return verifyReceipt(text, await shredding.publicKey(operator, text));
}

async function idOf(subdomain: string): Promise<string> {
  const [row] = await fixture.superuser`select id from companies where subdomain = ${subdomain}`;
  return String(row?.["id"]);
}

/** Everything of a company that contains or derives from a key or a value. */
async function leftOf(subdomain: string): Promise<unknown> {
  const id = await idOf(subdomain);
  const sql = fixture.superuser;
  return {
    keys: (await sql`select distinct status from company_keys where company_id = ${id}`).map(
      (row) => row["status"],
    ),
    wraps: (await sql`select from company_key_wraps where company_id = ${id}`).length,
    heads: (
      await sql`select distinct secret_value_encrypted as encrypted from company_secrets where company_id = ${id}`
    ).map((row) => row["encrypted"]),
    versions: (
      await sql`select from company_secret_versions where company_id = ${id}
        and (value_encrypted is not null or fingerprint is not null or last_four is not null or destroyed_at is null)`
    ).length,
    requests: (await sql`select from write_requests where company_id = ${id}`).length,
  };
}
const nothing = { keys: ["destroyed"], wraps: 0, heads: ["destroyed"], versions: 0, requests: 0 };

describe("shredding a company", () => {
  test("a shredded company answers KEY_DESTROYED in this process, in others within a second, and after a restart; others are unaffected", async () => {
    const [subdomain, other] = [await filled(), await filled()];
    const serving = fixture.another();
    const member = await serving.serve(fixture.urls.listener, () => {});
    onTestFinished(() => member.stop());
    const there = serving.company(subdomain, product);
    expect(await there.get("CUSTOM_A")).toBe(value);
    expect(await fixture.secrets.company(subdomain, product).get("CUSTOM_A")).toBe(value);
    const content = contentOf(await shred(subdomain));
    expect(content.processes.alive).toBe(1);
    await expect.poll(() => codeOf(there.get("CUSTOM_A")), { timeout: 20_000 }).toBe("KEY_DESTROYED");
    for (const secrets of [fixture.secrets, serving, fixture.another()]) {
      const company = secrets.company(subdomain, product);
      expect(await codeOf(company.get("CUSTOM_A"))).toBe("KEY_DESTROYED");
      expect(await codeOf(company.set("CUSTOM_A", "x"))).toBe("KEY_DESTROYED");
      expect(await codeOf(company.set("CUSTOM_NEW", "x"))).toBe("KEY_DESTROYED");
      expect(await codeOf(company.get("CUSTOM_NEVER"))).toBe("NOT_FOUND");
      expect(await secrets.company(other, product).get("CUSTOM_A")).toBe(value);
    }
    expect(await leftOf(subdomain)).toEqual(nothing);
    expect(await leftOf(other)).toMatchObject({ keys: ["active"], wraps: 1, versions: 3, requests: 1 });
  });

  test("a shredding notifies a serving process at once, before its cache expires", async () => {
    const subdomain = await filled();
    const serving = fixture.another();
    const member = await serving.serve(fixture.urls.listener, () => {});
    onTestFinished(() => member.stop());
    // The remaining rows would suffice: only the notification makes this process drop the key.
    const id = await idOf(subdomain);
    const [{ valueEncrypted } = {}] = await fixture.superuser`
      select secret_value_encrypted as encrypted from company_secrets where company_id = ${id} and secret_key = 'CUSTOM_A'`;
    for (const secrets of [serving, fixture.secrets])
      await secrets.company(subdomain, product).get("CUSTOM_A");
    await shred(subdomain);
    await fixture.superuser`alter table company_secrets disable trigger user`;
    await fixture.superuser`update company_secrets set secret_value_encrypted = ${String(valueEncrypted)}
      where company_id = ${id} and secret_key = 'CUSTOM_A'`;
    await fixture.superuser`alter table company_secrets enable trigger user`;
    for (const secrets of [serving, fixture.secrets])
      await expect
        .poll(() => codeOf(secrets.company(subdomain, product).get("CUSTOM_A")), { timeout: 20_000 })
        .toBe("KEY_DESTROYED");
  });

  test("a shredded company's secrets can be listed without last four characters and purged, and removed ones cannot be restored", async () => {
    const subdomain = await filled();
    await shred(subdomain);
    const company = fixture.secrets.company(subdomain, product);
    expect((await company.list()).secrets).toMatchObject([
      { secretKey: "CUSTOM_A", version: 2, lastFour: undefined, fingerprint: undefined },
    ]);
    expect(await codeOf(company.restore("CUSTOM_REMOVED"))).toBe("KEY_DESTROYED");
    await company.remove("CUSTOM_A");
    expect((await company.list()).secrets).toEqual([]);
    expect(await codeOf(company.restore("CUSTOM_A"))).toBe("KEY_DESTROYED");
  });

  test("a shredding revokes the company's own API keys", async () => {
    const subdomain = await filled();
    const { apiKey } = await fixture.secrets.apiKeys.create(operator, {
      name: "test",
      companies: [subdomain],
      platform: false,
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    expect(contentOf(await shred(subdomain)).destroyed.apiKeys).toBe(1);
    expect(await codeOf(fixture.secrets.authenticate({ credential: apiKey }))).toBe("UNAUTHENTICATED");
  });

  test("a shredded company that never had a key cannot get one", async () => {
    const subdomain = await fixture.company("database");
    const content = contentOf(await shred(subdomain));
    expect(content.destroyed).toMatchObject({ companyKeys: [], wraps: [], currentValues: 0 });
    expect(content.backups.masterKeyVersions).toEqual([]);
    expect(await codeOf(fixture.another().company(subdomain, product).set("CUSTOM_A", "x"))).toBe(
      "KEY_DESTROYED",
    );
  });

  test("a shredding is for operators only, and needs an existing company and the retention of backups", async () => {
    const subdomain = await filled();
    const { shredding } = fixture.secrets;
    expect(await codeOf(shredding.shred(product, subdomain, { backupsKeptDays: 1 }))).toBe("FORBIDDEN");
    expect(await codeOf(shredding.receipt(product, subdomain))).toBe("FORBIDDEN");
    expect(await codeOf(shredding.shred(operator, "nobody", { backupsKeptDays: 1 }))).toBe("NOT_FOUND");
    for (const backupsKeptDays of [-1, 0.5, Number.NaN, 1e9])
      expect(await codeOf(shredding.shred(operator, subdomain, { backupsKeptDays }))).toBe("INVALID_INPUT");
    expect(await codeOf(shredding.receipt(operator, subdomain))).toBe("NOT_FOUND");
    expect(await fixture.secrets.company(subdomain, product).get("CUSTOM_A")).toBe(value);
  });
});

describe("shredding receipts", () => {
  test("a receipt states what was destroyed, what remains where, and until when", async () => {
    const subdomain = await filled();
    const before = Date.now();
    const signed = await shred(subdomain);
    const content = contentOf(signed);
    expect(content).toMatchObject({
      company: { id: await idOf(subdomain), subdomain },
      shreddedBy: "operator test-operator",
      destroyed: {
        companyKeys: [1],
        wraps: [{ region: "default", masterKeyVersion: 1, count: 1 }],
        currentValues: 2,
        earlierValues: 1,
        versions: 3,
        writeRequests: 1,
        apiKeys: 0,
      },
      infisical: { secrets: 0, deletedAt: null },
      backups: { keptDays: 30, masterKeyVersions: [{ region: "default", version: 1 }] },
    });
    const at = Date.parse(content.shreddedAt);
    expect(at).toBeGreaterThanOrEqual(before);
    expect(Date.parse(content.processes.keysForgottenBy) - at).toBe(300_000);
    expect(content.completeBy).toBe(content.backups.expiredBy);
    expect(Date.parse(content.backups.expiredBy) - Date.parse(content.backups.madeBefore)).toBe(
      30 * 86_400_000,
    );
    expect(content.remains[0]).toContain(
      `Database backups made before ${content.backups.madeBefore} still hold the wraps`,
    );
    expect(content.remains[0]).toContain("the master key versions default 1 are destroyed");
    expect(JSON.stringify(signed)).not.toMatch(/sk_test|tk1\.|ts1\./);
    const events = await fixture.superuser`
      select actor_kind, outcome from audit_events where action = 'key.shred' and company_id = ${content.company.id}`;
    expect(events).toMatchObject([{ actor_kind: "operator", outcome: "success" }]);
  });

  test("a receipt is stored and stays the same if the company is shredded again, concurrently or under a new name", async () => {
    const subdomain = await filled();
    const [first, second] = await Promise.all([shred(subdomain), shred(subdomain, false, fixture.another())]);
    expect(second).toEqual(first);
    await fixture.secrets.companies.rename(operator, subdomain, { subdomain: `${subdomain}-renamed` });
    expect(await shred(`${subdomain}-renamed`)).toEqual(first);
    expect(await fixture.another().shredding.receipt(operator, `${subdomain}-renamed`)).toEqual(first);
    const events = await fixture.superuser`
      select from audit_events where action = 'key.shred' and company_id = ${contentOf(first).company.id}`;
    expect(events).toHaveLength(1);
  });

  test("a receipt can be verified with the public key alone, and by an independent implementation of docs/shredding.md", async () => {
    const signed = await shred(await filled());
    const text = JSON.stringify(signed);
    const publicKey = await fixture.secrets.shredding.publicKey(operator);
    expect(verifyReceipt(text, publicKey)).toEqual(contentOf(signed));
    expect(await verifyHere(text, fixture.another())).toEqual(contentOf(signed));
    const bytes = Buffer.from(`tenant-secrets-shredding/1\n${signed.receipt}`);
    const signature = Buffer.from(signed.signature.split(".")[1] ?? "", "base64url");
    expect(verify(null, bytes, createPublicKey(publicKey), signature)).toBe(true);
  });

  test("a receipt that was modified, signed by another key, or is malformed is refused", async () => {
    const signed = await shred(await filled());
    const publicKey = await fixture.secrets.shredding.publicKey(operator);
    const check = async (text: string) => [
      await codeOf((async () => verifyReceipt(text, publicKey))()),
      await codeOf(verifyHere(text)),
    ];
    const failure = ["INTEGRITY_FAILURE", "INTEGRITY_FAILURE"];
    const edited = signed.receipt.replace('"earlierValues": 1', '"earlierValues": 2');
    expect(edited).not.toBe(signed.receipt);
    for (const text of [
      JSON.stringify({ ...signed, receipt: edited }),
      JSON.stringify({ ...signed, receipt: `${signed.receipt} ` }),
      JSON.stringify({ ...signed, signature: `1.${"A".repeat(86)}` }),
      JSON.stringify({ ...signed, signature: `${signed.signature}=` }),
      JSON.stringify({ ...signed, more: 1 }),
      "{}",
      "no JSON",
    ]) {
      expect(await check(text), text.slice(-60)).toEqual(failure);
    }
    const unknownKey = JSON.stringify({ ...signed, signature: signed.signature.replace("1.", "2.") });
    expect(await codeOf(verifyHere(unknownKey))).toBe("KEY_UNAVAILABLE");
    const stranger = generateKeyPairSync("ed25519")
      .publicKey.export({ type: "spki", format: "pem" })
      .toString();
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({
      type: "spki",
      format: "pem",
    });
    const text = JSON.stringify(signed);
    expect(() => verifyReceipt(text, stranger)).toThrow("not signed with this key");
    expect(() => verifyReceipt(text, rsa.toString())).toThrow("not an Ed25519 key");
    expect(() => verifyReceipt(text, "-----BEGIN")).toThrow("not an Ed25519 key");
  });

  test("a receipt is not verified with a public key that was inserted into the database", async () => {
    const signed = await shred(await filled());
    const forged = generateKeyPairSync("ed25519")
      .publicKey.export({ type: "spki", format: "pem" })
      .toString();
    const [row] = await fixture.superuser`select public_key from audit_keys where purpose = 'signing'`;
    expect(row?.["public_key"]).toBe(await fixture.secrets.shredding.publicKey(operator));
    await fixture.superuser`update audit_keys set public_key = ${forged} where purpose = 'signing'`;
    await verifyHere(JSON.stringify(signed));
    await fixture.superuser`update audit_keys set public_key = ${String(row?.["public_key"])} where purpose = 'signing'`;
  });
});

describe("a shredded company's values in Infisical", () => {
  async function outside(store: "hybrid" | "infisical"): Promise<{ subdomain: string; path: string }> {
    const subdomain = await fixture.company(store);
    const path = `/tenants/${subdomain}`;
    await fixture.infisical.putSecret(path, "CUSTOM_OUTSIDE", value);
    await fixture.infisical.putSecret(`${path}/below`, "CUSTOM_BELOW", value);
    return { subdomain, path };
  }

  test("values in Infisical stay unless their deletion is requested, and the receipt says so and is incomplete", async () => {
    const { subdomain, path } = await outside("hybrid");
    const company = fixture.secrets.company(subdomain, product);
    await company.set("CUSTOM_A", value);
    const content = contentOf(await shred(subdomain));
    expect(content.infisical).toEqual({ folder: path, secrets: 2, deletedAt: null });
    expect(content.completeBy).toBeNull();
    expect(content.remains.join("\n")).toContain("were not shredded");
    expect(await codeOf(company.get("CUSTOM_A"))).toBe("KEY_DESTROYED");
    expect(await company.get("CUSTOM_OUTSIDE")).toBe(value);
    expect(await codeOf(company.set("CUSTOM_OUTSIDE", "x"))).toBe("KEY_DESTROYED");
  });

  test("values in Infisical are deleted on request, also after the keys were destroyed, and the receipt is then complete", async () => {
    const { subdomain, path } = await outside("hybrid");
    await fixture.secrets.company(subdomain, product).set("CUSTOM_A", value);
    const first = contentOf(await shred(subdomain));
    const signed = await shred(subdomain, true);
    const content = contentOf(signed);
    expect(content).toMatchObject({ shreddedAt: first.shreddedAt, destroyed: first.destroyed });
    expect(content.infisical).toMatchObject({ secrets: 2, deletedAt: expect.stringContaining("T") });
    expect(content.completeBy).toBe(content.backups.expiredBy);
    expect(await fixture.infisical.listSecretSummaries(path)).toEqual([]);
    await verifyHere(JSON.stringify(signed));
    expect(await shred(subdomain, true)).toEqual(signed);
    expect(await shred(subdomain)).toEqual(signed);
    expect(await codeOf(fixture.secrets.company(subdomain, product).get("CUSTOM_OUTSIDE"))).toBe("NOT_FOUND");
  });

  test("a company on Infisical can only be shredded with its folder, and no later write reaches it", async () => {
    const { subdomain, path } = await outside("infisical");
    const company = fixture.secrets.company(subdomain, product);
    expect(await codeOf(shred(subdomain))).toBe("NOT_SUPPORTED");
    expect(await company.get("CUSTOM_OUTSIDE")).toBe(value);
    const content = contentOf(await shred(subdomain, true));
    expect(content.infisical).toMatchObject({ folder: path, secrets: 2 });
    expect(content.infisical.deletedAt).not.toBeNull();
    expect(await codeOf(company.get("CUSTOM_OUTSIDE"))).toBe("NOT_FOUND");
    expect(await codeOf(company.set("CUSTOM_OUTSIDE", "x"))).toBe("KEY_DESTROYED");
    expect(await fixture.infisical.listSecretSummaries(path)).toEqual([]);
    const events = await fixture.superuser`select outcome from audit_events
      where action = 'key.shred-folder' and company_id = ${content.company.id} order by position`;
    expect(events.map((row) => row["outcome"])).toEqual(["attempted", "success"]);
  });

  test("a receipt inserted into the database does not cause the deletion of a folder", async () => {
    const [shredded, victim] = [await outside("hybrid"), await outside("hybrid")];
    await fixture.secrets.company(shredded.subdomain, product).set("CUSTOM_A", value);
    const [mine, theirs] = [await shred(shredded.subdomain), await shred(victim.subdomain)];
    const edited = mine.receipt.replaceAll(shredded.path, victim.path);
    for (const [receipt, signature] of [
      [edited, mine.signature],
      [theirs.receipt, theirs.signature],
    ]) {
      await fixture.superuser`update shreddings set receipt = ${receipt ?? ""}, signature = ${signature ?? ""}
        where company_id = ${contentOf(mine).company.id}`;
      expect(await codeOf(shred(shredded.subdomain, true))).toBe("INTEGRITY_FAILURE");
    }
    for (const { path } of [shredded, victim]) {
      expect(await fixture.infisical.listSecretSummaries(path)).toHaveLength(1);
    }
  });

  test("a shredding interrupted between the deletion and the receipt completes when it is repeated", async () => {
    const { subdomain, path } = await outside("hybrid");
    await fixture.secrets.company(subdomain, product).set("CUSTOM_A", value);
    await shred(subdomain);
    await fixture.infisical.deleteFolder(path);
    const { infisical, completeBy } = contentOf(await shred(subdomain, true));
    expect(infisical).toMatchObject({ secrets: 2, deletedAt: expect.any(String) });
    expect(completeBy).not.toBeNull();
  });
});

describe("shredding concurrently with other operations", () => {
  test("concurrent writes either commit and are destroyed too, or fail with a typed error, and none remains", async () => {
    const subdomain = await filled();
    const serving = fixture.another();
    const write = (lane: number, i: number) =>
      serving.company(subdomain, product).set(
        // Both one contended secret and new ones, each with and without a request id.
        lane % 2 === 0 ? "CUSTOM_A" : `CUSTOM_${lane}_${i}`,
        value,
        lane < 3 ? {} : { requestId: `${lane}-${i}` },
      );
    let done = 0;
    const untilItFails = async (work: (i: number) => Promise<unknown>): Promise<string> => {
      for (let i = 0; ; i++) {
        const code = await codeOf(work(i));
        if (code !== "no error") return code;
        done++;
      }
    };
    const lanes = Array.from({ length: 6 }, (_, lane) => untilItFails((i) => write(lane, i)));
    lanes.push(untilItFails(() => serving.companyKeyRotation.rotateCompanyKey(operator, subdomain)));
    await expect.poll(() => done, { timeout: 60_000 }).toBeGreaterThan(20);
    await shred(subdomain);
    expect(new Set(await Promise.all(lanes))).toEqual(new Set(["KEY_DESTROYED"]));
    expect(await leftOf(subdomain)).toEqual(nothing);
  });

  test("a write that waits for its secret during a shredding finds the key gone", async () => {
    const subdomain = await filled();
    const id = await idOf(subdomain);
    const serving = fixture.another();
    await serving.company(subdomain, product).get("CUSTOM_A");
    const waiting = (text: string) =>
      expect
        .poll(
          async () =>
            (
              await fixture.superuser`select from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock' and query ilike ${text}`
            ).length,
          { timeout: 60_000 },
        )
        .toBe(1);
    let shredding: Promise<unknown> | undefined;
    let write: Promise<string> | undefined;
    await fixture.superuser.begin(async (sql) => {
      await sql`select from company_secrets where company_id = ${id} for update`;
      shredding = shred(subdomain);
      await waiting('%from "company_secrets"%');
      write = codeOf(serving.company(subdomain, product).set("CUSTOM_A", "too late"));
      await new Promise((resolve) => setTimeout(resolve, 300));
    });
    await shredding;
    expect(await write).toMatch(/^(KEY_DESTROYED|no error)$/);
    expect(await leftOf(subdomain)).toEqual(nothing);
  });

  test("a first write and a shredding do not deadlock, and leave no usable key", async () => {
    for (let i = 0; i < 8; i++) {
      const subdomain = await fixture.company("database");
      const serving = fixture.another();
      await serving.prepare();
      const [write, shredded] = await Promise.all([
        codeOf(serving.company(subdomain, product).set("CUSTOM_A", value)),
        codeOf(shred(subdomain)),
      ]);
      expect(write).toMatch(/^(KEY_DESTROYED|no error)$/);
      expect(shredded).toBe("no error");
      expect(await leftOf(subdomain)).toMatchObject({ wraps: 0, versions: 0 });
      const living = await fixture.superuser`select from company_keys
        where company_id = ${await idOf(subdomain)} and status <> 'destroyed'`;
      expect(living).toHaveLength(0);
    }
  });

  test("a destroyed key cannot be brought back: not by a wrap, a state, a new version, or a value under it", async () => {
    const subdomain = await filled();
    const id = await idOf(subdomain);
    const [wrap] = await fixture.superuser`select * from company_key_wraps where company_id = ${id}`;
    const [head] =
      await fixture.superuser`select * from company_secrets where company_id = ${id} and secret_key = 'CUSTOM_A'`;
    await shred(subdomain);
    const attempt = (query: postgres.PendingQuery<postgres.Row[]>) =>
      query.then(
        () => "done",
        (error: unknown) => (error instanceof postgres.PostgresError ? error.message : String(error)),
      );
    const sql = fixture.superuser;
    expect(await attempt(sql`insert into company_key_wraps ${sql({ ...wrap })}`)).toContain("was destroyed");
    expect(await attempt(sql`update company_keys set status = 'active' where company_id = ${id}`)).toContain(
      "stays destroyed",
    );
    expect(
      await attempt(
        sql`insert into company_keys (company_id, key_version, status) values (${id}, 2, 'active')`,
      ),
    ).toContain("was shredded");
    expect(
      await attempt(sql`update company_secrets set secret_value_encrypted = ${String(head?.["secret_value_encrypted"])}
        where company_id = ${id} and secret_key = 'CUSTOM_A'`),
    ).toContain("was destroyed");
    expect(
      await attempt(
        sql`update company_secret_versions set value_encrypted = 'x', company_key_version = 1 where company_id = ${id}`,
      ),
    ).toContain("was destroyed");
    const [row] =
      await sql`select has_table_privilege('tenant_secrets_application', 'shreddings', 'select') as may`;
    expect(row?.["may"]).toBe(false);
  });
});

test("a master key rotation skips a shredded company and keeps its receipt verifiable, even concurrently", async () => {
  const own = await createFixture();
  const subdomains = [await own.company("database"), await own.company("database")] as const;
  for (const subdomain of subdomains) await own.secrets.company(subdomain, product).set("CUSTOM_A", value);
  const restored = await own.copy();
  let signed: SignedReceipt | undefined;
  await own.secrets.keyRotation.rotate(operator, {
    backup,
    onStep: async ([phase, done]) => {
      if (phase === "rewrap" && done === "begins") {
        signed = await own.secrets.shredding.shred(operator, subdomains[0], { backupsKeptDays: 7 });
      }
    },
  });
  expect(readReceipt(ShreddingReceipt, signed?.receipt ?? "").backups.masterKeyVersions).toEqual([
    { region: "default", version: 1 },
    { region: "default", version: 2 },
  ]);
  const fresh = own.another();
  expect(await codeOf(fresh.company(subdomains[0], product).get("CUSTOM_A"))).toBe("KEY_DESTROYED");
  expect(await fresh.company(subdomains[1], product).get("CUSTOM_A")).toBe(value);
  await verifyHere(JSON.stringify(signed), fresh);
  // As the receipt says: an earlier backup can be decrypted until its master key is destroyed.
  expect(await restored().company(subdomains[0], product).get("CUSTOM_A")).toBe(value);
  await own.secrets.masterKeys.destroy(operator, 1);
  expect(await codeOf(restored().company(subdomains[0], product).get("CUSTOM_A"))).toMatch(
    /^MASTER_KEY_MISSING$/,
  );
  await verifyHere(JSON.stringify(signed), own.another());
});
