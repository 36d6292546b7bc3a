import { createCipheriv, randomBytes } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { codeOf, createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";
import type { LegacyImportOptions } from "./import.ts";
import type { LegacyOutcome } from "./outcome.ts";
import type { LegacyRow } from "./row.ts";

const keyName = "MASTER_ENCRYPTION_KEY";
let fixture: Fixture;
let rawKey: Buffer;

beforeAll(async () => {
  fixture = await createFixture();
  rawKey = Buffer.from((await fixture.infisical.findSecret("/hono-api", keyName))?.value ?? "", "hex");
});

/** The row that the strategy's sample code stores for a value. */
function seal(
  value: string | Buffer,
  key = rawKey,
  { ivBytes = 12, tagBytes = 16 }: { readonly ivBytes?: number; readonly tagBytes?: number } = {},
): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: tagBytes });
  const body = Buffer.concat([cipher.update(Buffer.from(value)), cipher.final()]);
  return [iv, body, cipher.getAuthTag()].map((part) => part.toString("hex")).join(":");
}

function row(company: string, secretKey: string, encrypted: string | undefined): LegacyRow {
  return { company, secretKey, encrypted };
}

/** Runs an import to its end, with empty caches. */
async function run(
  rows: readonly LegacyRow[],
  options: Partial<LegacyImportOptions> = {},
  caller = operator,
): Promise<LegacyOutcome[]> {
  const source = (async function* () {
    yield await Promise.resolve(rows);
  })();
  const outcomes: LegacyOutcome[] = [];
  await fixture.another().importLegacy(caller, source, {
    keyName,
    customUnknown: false,
    dryRun: false,
    onOutcome: (outcome) => void outcomes.push(outcome),
    ...options,
  });
  return outcomes;
}

/** The outcomes in short. */
function short(outcomes: readonly LegacyOutcome[]): string[] {
  return outcomes.map(({ result, reason }) => (reason === undefined ? result : `${result} ${reason}`));
}

async function idOf(subdomain: string): Promise<string> {
  const [company] = await fixture.superuser`select id from companies where subdomain = ${subdomain}`;
  return String(company?.["id"]);
}

async function heads(subdomain: string) {
  const rows = await fixture.superuser`select s.secret_key, s.origin, s.current_version from company_secrets s
    join companies c on c.id = s.company_id where c.subdomain = ${subdomain} order by s.secret_key`;
  return rows.map((head) => [head["secret_key"], head["origin"], head["current_version"]].join(" "));
}

async function events(subdomain: string) {
  const rows = await fixture.superuser`select e.* from audit_events e join companies c on c.id = e.company_id
    where c.subdomain = ${subdomain} and action in ('secret.import', 'secret.compare') order by e.position`;
  return rows.map((event) =>
    ["action", "outcome", "actor_kind", "actor_id", "secret_key", "version"]
      .map((name) => event[name])
      .join(" "),
  );
}

describe("importing legacy rows", () => {
  test("legacy rows are re-encrypted under the catalogue's names with their origin, and a second run finds them equal", async () => {
    const acme = await fixture.company("database");
    const long = "é".repeat(32_768);
    const rows = [
      row(acme, "stripe_secret_key", seal("sk_test_fake_legacy_0001")),
      row(await idOf(acme), "sendgrid_api_key", seal("SG.fake_legacy.fake_legacy_0001").toUpperCase()),
      row(
        (await idOf(acme)).toUpperCase(),
        "OAUTH_GOOGLE",
        seal('{"clientId":"fake","clientSecret":"fake"}'),
      ),
      row(acme, "CUSTOM_LONG", seal(long)),
      row(acme, "custom_spaced", seal("\uFEFF spaced\r\n\n")),
    ];
    const targets = ["STRIPE_SECRET_KEY", "SENDGRID_API_KEY", "OAUTH_GOOGLE", "CUSTOM_LONG", "CUSTOM_SPACED"];
    const first = await run(rows);
    expect(first.map(({ target, result }) => [target, result])).toEqual(
      targets.map((name) => [name, "imported"]),
    );
    const secrets = fixture.secrets.company(acme, product);
    expect(await secrets.get("STRIPE_SECRET_KEY")).toBe("sk_test_fake_legacy_0001");
    expect(await secrets.get("OAUTH_GOOGLE")).toEqual({ clientId: "fake", clientSecret: "fake" });
    expect(await secrets.get("CUSTOM_LONG")).toBe(long);
    expect(await secrets.get("CUSTOM_SPACED")).toBe("\uFEFF spaced\r\n\n");
    expect(await heads(acme)).toEqual(targets.toSorted().map((name) => `${name} legacy 1`));
    expect(
      (await secrets.list()).secrets.find(({ secretKey }) => secretKey === "STRIPE_SECRET_KEY")?.lastFour,
    ).toBe("0001");
    expect(await events(acme)).toEqual(
      targets.map((name) => `secret.import success operator test-operator ${name} 1`),
    );
    const encrypted = await fixture.superuser`select secret_value_encrypted as text from company_secrets`;
    expect(encrypted.every(({ text }) => String(text).startsWith("ts1."))).toBe(true);

    expect(short(await run(rows))).toEqual(rows.map(() => "unchanged"));
    expect(await heads(acme)).toEqual(targets.toSorted().map((name) => `${name} legacy 1`));
    expect(await events(acme)).toHaveLength(2 * rows.length);
  });

  test("a legacy row belongs to the company with its id, even if another company has its name now", async () => {
    const x = await fixture.company("database");
    const y = await fixture.company("database");
    await fixture.secrets.companies.rename(operator, x, { subdomain: `${x}-new` });
    await fixture.secrets.companies.rename(operator, y, { subdomain: x });
    const id = await idOf(`${x}-new`);
    const rows = [{ ...row(x, "CUSTOM_ID", seal("fake-of-x")), companyId: id }];
    expect(short(await run(rows))).toEqual(["imported"]);
    expect(await heads(`${x}-new`)).toEqual(["CUSTOM_ID legacy 1"]);
    expect(await heads(x)).toEqual([]);
  });

  test("a legacy row is a conflict if two companies have had its name, until the operator decides", async () => {
    const x = await fixture.company("database");
    const y = await fixture.company("database");
    await fixture.secrets.companies.rename(operator, x, { subdomain: `${x}-new` });
    await fixture.secrets.companies.rename(operator, y, { subdomain: x });
    const unknown = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    const rows = [
      row(x, "CUSTOM_A", seal("fake-a")),
      { ...row(x, "CUSTOM_B", seal("fake-b")), companyId: unknown },
    ];
    expect(short(await run(rows))).toEqual(rows.map(() => "conflict AMBIGUOUS_COMPANY"));
    expect(await heads(x)).toEqual([]);
    const assigned = new Map([[x, `${x}-new`]]);
    expect(short(await run(rows, { assigned }))).toEqual(["imported", "imported"]);
    expect(await heads(`${x}-new`)).toEqual(["CUSTOM_A legacy 1", "CUSTOM_B legacy 1"]);
    expect(await heads(x)).toEqual([]);
    const [mine] = [row(`${x}-new`, "CUSTOM_A", seal("fake-a"))];
    expect(short(await run([mine]))).toEqual(["unchanged"]);
  });

  test("a legacy row of a deleted company does not go to the next owner of its name", async () => {
    const gone = await fixture.company("database");
    const id = await idOf(gone);
    const heir = await fixture.company("database");
    await fixture.secrets.companies.rename(operator, gone, { subdomain: `${gone}-later` });
    await fixture.secrets.companies.rename(operator, heir, { subdomain: gone });
    await fixture.superuser`update companies set status = 'deleted', deleted_at = now() where id = ${id}`;
    const rows = [
      { ...row(gone, "CUSTOM_A", seal("fake")), companyId: id },
      row(id, "CUSTOM_A", seal("fake")),
      row(gone, "CUSTOM_A", seal("fake")),
    ];
    expect(short(await run(rows))).toEqual([
      "bad UNKNOWN_COMPANY",
      "bad UNKNOWN_COMPANY",
      "conflict AMBIGUOUS_COMPANY",
    ]);
    expect(await heads(gone)).toEqual([]);
  });

  test("a legacy row that the catalogue does not list becomes CUSTOM_… on request only", async () => {
    const acme = await fixture.company("database");
    const rows = [row(acme, "twilio_token", seal("fake")), row(acme, "twilio-token", seal("fake"))];
    expect(short(await run(rows))).toEqual(["bad UNKNOWN_SECRET_KEY", "bad UNKNOWN_SECRET_KEY"]);
    expect(short(await run(rows, { customUnknown: true }))).toEqual(["imported", "bad UNKNOWN_SECRET_KEY"]);
    expect(await heads(acme)).toEqual(["CUSTOM_TWILIO_TOKEN legacy 1"]);
  });

  test("legacy rows are decrypted with a key of any name, however weak", async () => {
    const acme = await fixture.company("database");
    const old = Buffer.alloc(32, 1);
    await fixture.infisical.putSecret("/hono-api", "OLD_KEY", old.toString("hex").toUpperCase());
    expect(short(await run([row(acme, "CUSTOM_OLD", seal("fake", old))], { keyName: "OLD_KEY" }))).toEqual([
      "imported",
    ]);
  });

  test("invalid legacy rows are skipped with a reason, and the others are imported", async () => {
    const acme = await fixture.company("database");
    const outside = await fixture.company("infisical");
    const good = seal("fake-good");
    const [iv, body, tag] = good.split(":");
    const other = seal("fake-evil").split(":")[1];
    const bad = {
      UNREADABLE_ROW: [row(acme, "CUSTOM_A", undefined)],
      UNKNOWN_COMPANY: [
        row("nobody", "CUSTOM_A", good),
        row("../../acme", "CUSTOM_A", good),
        row("00000000-0000-0000-0000-000000000000", "CUSTOM_A", good),
        row("", "CUSTOM_A", good),
      ],
      STORE_IS_INFISICAL: [row(outside, "CUSTOM_A", good), row(await idOf(outside), "CUSTOM_A", good)],
      UNKNOWN_SECRET_KEY: [
        row(acme, "twilio_token", good),
        row(acme, "__proto__", good),
        row(acme, "", good),
      ],
      MALFORMED: [
        row(acme, "CUSTOM_A", ""),
        row(acme, "CUSTOM_A", `${iv}:${body}`),
        row(acme, "CUSTOM_A", `${good}:00`),
        row(acme, "CUSTOM_A", `${iv}:${body}0:${tag}`),
        row(acme, "CUSTOM_A", seal("fake-good", rawKey, { ivBytes: 16 })),
        row(acme, "CUSTOM_A", seal("fake-good", rawKey, { ivBytes: 12, tagBytes: 4 })),
        row(acme, "CUSTOM_A", "ts1.1.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
      ],
      NOT_OPENED: [
        row(acme, "CUSTOM_A", seal("fake-good", randomBytes(32))),
        row(acme, "CUSTOM_A", `${iv}:${other}:${tag}`),
      ],
      INVALID_VALUE: [
        row(acme, "CUSTOM_A", seal("")),
        row(acme, "CUSTOM_A", seal("x".repeat(65_537))),
        row(acme, "CUSTOM_A", "0".repeat(200_000)),
        row(acme, "CUSTOM_A", seal("fake\0nul")),
        row(acme, "CUSTOM_A", seal(Buffer.from([0x66, 0xff]))),
        row(acme, "CUSTOM_A", seal("••••••••")),
        row(acme, "stripe_secret_key", seal("not a key of Stripe's")),
        row(acme, "stripe_secret_key", seal("\uFEFFsk_test_fake_legacy_0001")),
        row(acme, "OAUTH_GOOGLE", seal("not JSON")),
      ],
    };
    const rows = [...Object.values(bad).flat(), row(acme, "CUSTOM_B", good)];
    const expected = Object.entries(bad).flatMap(([reason, list]) => list.map(() => `bad ${reason}`));
    const outcomes = await run(rows);
    expect(short(outcomes)).toEqual([...expected, "imported"]);
    expect(outcomes.map(({ company, secretKey }) => [company, secretKey])).toEqual(
      rows.map(({ company, secretKey }) => [company, secretKey]),
    );
    expect(JSON.stringify(outcomes)).not.toMatch(new RegExp(`fake-good|${body}`));
    expect(await heads(acme)).toEqual(["CUSTOM_B legacy 1"]);
    expect(await heads(outside)).toEqual([]);
    const unknown = await fixture.superuser`select outcome, reason, actor_id from audit_events
      where action = 'secret.import' and company_id is null`;
    expect(unknown.map((event) => ({ ...event }))).toEqual(
      Array.from({ length: 3 }, () => ({
        outcome: "denied",
        reason: "NOT_FOUND",
        actor_id: "test-operator",
      })),
    );
  });

  test("a legacy row never replaces another value, a newer one, or a removal", async () => {
    const acme = await fixture.company("database");
    const secrets = fixture.secrets.company(acme, product);
    await secrets.set("CUSTOM_EQUAL", "fake-equal");
    await secrets.set("CUSTOM_NEWER", "fake-old");
    await secrets.set("CUSTOM_NEWER", "fake-new");
    await secrets.set("CUSTOM_REMOVED", "fake-removed");
    await secrets.remove("CUSTOM_REMOVED");
    await secrets.set("CUSTOM_BROKEN", "fake-broken");
    const company = await idOf(acme);
    await fixture.superuser`update company_secrets set secret_value_encrypted = 'broken'
      where company_id = ${company} and secret_key = 'CUSTOM_BROKEN'`;
    const rows = [
      row(acme, "custom_equal", seal("fake-equal")),
      row(acme, "custom_newer", seal("fake-old")),
      row(acme, "custom_removed", seal("fake-removed")),
      row(acme, "custom_broken", seal("fake-broken")),
    ];
    const before = await heads(acme);
    expect(short(await run(rows))).toEqual([
      "unchanged",
      "conflict DIFFERENT",
      "conflict REMOVED",
      "bad INTEGRITY_FAILURE",
    ]);
    expect(await heads(acme)).toEqual(before);
    expect(await secrets.get("CUSTOM_NEWER")).toBe("fake-new");
    expect(await secrets.find("CUSTOM_REMOVED")).toBeUndefined();
    expect(await events(acme)).toEqual([
      "secret.compare success operator test-operator CUSTOM_EQUAL 1",
      "secret.compare success operator test-operator CUSTOM_NEWER 2",
    ]);
  });

  test("a legacy row of a hybrid company never shadows another value in Infisical", async () => {
    const acme = await fixture.company("hybrid");
    const folder = `/tenants/${acme}`;
    await fixture.infisical.putSecret(folder, "CUSTOM_DIFFERENT", "fake-edited in Infisical");
    await fixture.infisical.putSecret(folder, "CUSTOM_EQUAL", "fake-equal");
    const rows = [
      row(acme, "CUSTOM_DIFFERENT", seal("fake-old")),
      row(acme, "CUSTOM_EQUAL", seal("fake-equal")),
      row(acme, "CUSTOM_NOT_THERE", seal("fake-not there")),
    ];
    expect(short(await run(rows))).toEqual(["conflict DIFFERENT_IN_INFISICAL", "imported", "imported"]);
    expect(await heads(acme)).toEqual(["CUSTOM_EQUAL legacy 1", "CUSTOM_NOT_THERE legacy 1"]);
    expect(await fixture.secrets.company(acme, product).get("CUSTOM_DIFFERENT")).toBe(
      "fake-edited in Infisical",
    );
  });

  test("two legacy rows for one secret are imported once, and the second is compared with the first", async () => {
    const [acme, other] = [await fixture.company("database"), await fixture.company("database")];
    const rows = [
      row(acme, "custom_twice", seal("fake-one")),
      row(acme, "CUSTOM_TWICE", seal("fake-one")),
      row(await idOf(acme), "Custom_Twice", seal("fake-two")),
      row(other, "CUSTOM_TWICE", seal("fake-two")),
    ];
    const expected = ["imported", "unchanged", "conflict DIFFERENT", "imported"];
    expect(short(await run(rows, { dryRun: true }))).toEqual(expected);
    expect(short(await run(rows))).toEqual(expected);
  });

  test("two concurrent runs import each legacy row once", async () => {
    const acme = await fixture.company("database");
    const rows = Array.from({ length: 20 }, (_, i) => row(acme, `CUSTOM_${i}`, seal(`fake-${i}`)));
    const runs = await Promise.all([run(rows), run(rows), run(rows)]);
    const results = rows.map((_, i) =>
      short(runs.map((outcomes) => outcomes[i]).filter((o) => o !== undefined)),
    );
    expect(results.map((three) => three.toSorted())).toEqual(
      rows.map(() => ["imported", "unchanged", "unchanged"]),
    );
  });
});

describe("a dry run of an import", () => {
  test("a dry run predicts the outcomes of the run, and writes neither a secret nor a key", async () => {
    const acme = await fixture.company("database");
    const there = await fixture.company("database");
    await fixture.secrets.company(there, product).set("CUSTOM_DIFFERENT", "fake-new");
    await fixture.secrets.company(there, product).set("CUSTOM_EQUAL", "fake-equal");
    const rows = [
      row(acme, "CUSTOM_A", seal("fake-a")),
      row(acme, "twilio_token", seal("fake-b")),
      row(there, "CUSTOM_DIFFERENT", seal("fake-old")),
      row(there, "CUSTOM_EQUAL", seal("fake-equal")),
      row(there, "CUSTOM_B", seal("fake-b", randomBytes(32))),
    ];
    const state = async () => [
      await fixture.superuser`select * from company_secrets`,
      await fixture.superuser`select * from company_secret_versions`,
      await fixture.superuser`select * from company_keys`,
    ];
    const before = await state();
    const foretold = await run(rows, { dryRun: true });
    expect(await state()).toEqual(before);
    expect(await run(rows)).toEqual(foretold);
    expect(short(foretold)).toEqual([
      "imported",
      "bad UNKNOWN_SECRET_KEY",
      "conflict DIFFERENT",
      "unchanged",
      "bad NOT_OPENED",
    ]);
  });

  test("a dry run audits every comparison, which an attacker could use to guess values", async () => {
    const acme = await fixture.company("database");
    await fixture.secrets.company(acme, product).set("CUSTOM_A", "fake-a");
    await run([row(acme, "CUSTOM_A", seal("guess")), row(acme, "CUSTOM_A", seal("fake-a"))], {
      dryRun: true,
    });
    expect(await events(acme)).toEqual([
      "secret.compare success operator test-operator CUSTOM_A 1",
      "secret.compare success operator test-operator CUSTOM_A 1",
    ]);
  });
});

test("a value that does not read back as written is not reported as imported", async () => {
  const acme = await fixture.company("database");
  await fixture.superuser.unsafe(`
    create function spoil() returns trigger language plpgsql as $$ begin
      if new.secret_key = 'CUSTOM_SPOILT' then new.current_version := null; new.secret_value_encrypted := null;
        new.company_key_version := null; new.deleted_at := now(); end if; return new; end $$;
    create trigger spoil before insert on company_secrets for each row execute function spoil()`);
  const outcomes = await run([
    row(acme, "CUSTOM_SPOILT", seal("fake")),
    row(acme, "CUSTOM_WELL", seal("fake")),
  ]);
  await fixture.superuser.unsafe("drop trigger spoil on company_secrets; drop function spoil()");
  expect(short(outcomes)).toEqual(["bad INTEGRITY_FAILURE", "imported"]);
});

describe("an import that fails before its first row", () => {
  test("an import by anyone but an operator is denied and audited", async () => {
    const acme = await fixture.company("database");
    const call = run([row(acme, "CUSTOM_A", seal("fake"))], {}, product);
    expect(await codeOf(call)).toBe("FORBIDDEN");
    expect(await heads(acme)).toEqual([]);
    const refused = await fixture.superuser`select actor_kind from audit_events
      where action = 'secret.import' and reason = 'FORBIDDEN'`;
    expect(refused.map((event) => event["actor_kind"])).toEqual(["job"]);
  });

  test.for([
    ["that is not there", "NO_SUCH_KEY", undefined, "MASTER_KEY_MISSING"],
    ["of a name that none can have", "../KEY", undefined, "INVALID_INPUT"],
    ["of 63 digits", "SHORT_KEY", "a1".repeat(32).slice(1), "MASTER_KEY_MALFORMED"],
    ["with a line break", "BROKEN_KEY", `${"a1".repeat(32)}\n`, "MASTER_KEY_MALFORMED"],
    ["that is a passphrase", "WORDS_KEY", "passphrase:fake fake fake fake fake", "MASTER_KEY_MALFORMED"],
  ] as const)("with a raw key %s", async ([, name, text, code]) => {
    if (text !== undefined) await fixture.infisical.putSecret("/hono-api", name, text);
    expect(await codeOf(run([], { keyName: name }))).toBe(code);
  });
});

test("an unavailable audit log ends the import, and another import completes it", async () => {
  const acme = await fixture.company("database");
  const rows = ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"].map((name) => row(acme, name, seal(`fake-${name}`)));
  await fixture.superuser.unsafe(`
    create function refuse() returns trigger language plpgsql as $$ begin
      if new.secret_key = 'CUSTOM_B' then raise exception 'full' using errcode = '53100'; end if; return new; end $$;
    create trigger refuse before insert on audit_events for each row execute function refuse()`);
  expect(await codeOf(run(rows))).toBe("AUDIT_UNAVAILABLE");
  await fixture.superuser.unsafe("drop trigger refuse on audit_events; drop function refuse()");
  expect(await heads(acme)).toEqual(["CUSTOM_A legacy 1"]);
  expect(short(await run(rows))).toEqual(["unchanged", "imported", "imported"]);
});

describe("the run of an import", () => {
  const newest = async () => {
    const [first] = await fixture.secrets.runs.list(operator, { limit: 1 });
    return first;
  };

  test("an import shows the number of finished rows, and is done when all are", async () => {
    const acme = await fixture.company("database");
    const rows = ["CUSTOM_A", "CUSTOM_B"].map((name) => row(acme, name, seal(`fake-${name}`)));
    const between: unknown[] = [];
    const source = (async function* () {
      yield rows.slice(0, 1);
      between.push(await newest());
      yield rows.slice(1);
    })();
    const given = { keyName, customUnknown: false, dryRun: false, onOutcome: () => {} };
    await fixture.another().importLegacy(operator, source, given);
    expect(between).toMatchObject([
      { kind: "import-legacy", state: "running", phase: "import", done: 1, driven: true },
    ]);
    expect(await newest()).toMatchObject({ state: "done", driven: false });
  });

  test("an import can be cancelled between two steps but not paused, and another import does the rest", async () => {
    const acme = await fixture.company("database");
    const rows = ["CUSTOM_A", "CUSTOM_B"].map((name) => row(acme, name, seal(`fake-${name}`)));
    const { runs } = fixture.secrets;
    const codes: string[] = [];
    const source = (async function* () {
      const { id = "" } = (await newest()) ?? {};
      codes.push(await codeOf(runs.pause(operator, id)), await codeOf(runs.resume(operator, id)));
      yield rows.slice(0, 1);
      await runs.cancel(operator, id);
      yield rows.slice(1);
    })();
    const given = { keyName, customUnknown: false, dryRun: false, onOutcome: () => {} };
    await expect(fixture.another().importLegacy(operator, source, given)).rejects.toMatchObject({
      code: "CONFLICT",
      because: "cancelled",
    });
    expect(codes).toEqual(["NOT_SUPPORTED", "NOT_SUPPORTED"]);
    expect(await newest()).toMatchObject({ state: "cancelled" });
    expect(short(await run(rows))).toEqual(["unchanged", "unchanged"]);
  });

  test("an import's run is cancelled when the import fails or its process dies", async () => {
    const source = (async function* () {
      yield [];
      throw new Error("a-canary");
    })();
    const given = { keyName, customUnknown: false, dryRun: false, onOutcome: () => {} };
    await expect(fixture.another().importLegacy(operator, source, given)).rejects.toThrow("a-canary");
    const failed = await newest();
    expect(failed).toMatchObject({ state: "cancelled", error: { code: "INTERNAL" } });
    expect(JSON.stringify(failed)).not.toContain("canary");
    await fixture.superuser`update runs set state = 'running', finished_at = null, lease_holder = gen_random_uuid(),
      lease_until = now() - interval '1 s' where id = ${failed?.id ?? ""}`;
    await run([]);
    expect(await fixture.secrets.runs.get(operator, failed?.id ?? "")).toMatchObject({ state: "cancelled" });
  });
});
