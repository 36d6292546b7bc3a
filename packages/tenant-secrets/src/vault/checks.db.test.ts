import { startJobs } from "@repo/db/jobs";
import { beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Caller, CheckedVersion, CheckResult } from "@repo/catalog";
import { codeOf, createFixture, operator, product, type Fixture } from "../testing/fixture.ts";
import { createTasks } from "../jobs/jobs.ts";

const key = (n: number) => `sk_test_fake_codewiser_000${n}`;
const sendgrid = "SG.fakefake.codewiser0001";

/** The values that the fake provider was sent, and its answer. */
let asked: string[] = [];
let say: (text: string, signal: AbortSignal) => Promise<CheckResult>;
let fixture: Fixture;

beforeAll(async () => {
  const ask = (text: string, signal: AbortSignal) => {
    asked.push(text);
    return say(text, signal);
  };
  fixture = await createFixture({ stripe: ask, sendgrid: ask });
});
beforeEach(() => {
  asked = [];
  say = async () => "accepted";
});

const check = async (
  caller: Caller,
  company: string,
  {
    secretKey,
    version,
    signal,
  }: { readonly secretKey: string; readonly version?: number; readonly signal?: AbortSignal },
): Promise<CheckedVersion> => {
  const scope = await fixture.secrets.companies.resolve(
    { caller, action: "secret.check", secretKey },
    company,
  );
  return fixture.secrets.vault.check(scope, { secretKey, version }, signal && { signal });
};

async function companyWith(value: string, store: "database" | "hybrid" = "database"): Promise<string> {
  const company = await fixture.company(store);
  await fixture.secrets.company(company, product).set("STRIPE_SECRET_KEY", value);
  return company;
}
async function checkedOf(company: string) {
  const { secrets } = await fixture.secrets.company(company, product).list();
  return secrets.find(({ secretKey }) => secretKey === "STRIPE_SECRET_KEY");
}
async function events(company: string): Promise<string[]> {
  await fixture.secrets.flush();
  const rows = await fixture.superuser`
    select actor_kind as kind, outcome, secret_key as key, version, reason from audit_events e
    join companies c on c.id = e.company_id
    where action = 'secret.check' and subdomain = ${company} order by e.position`;
  return rows.map((row) =>
    [row["kind"], row["outcome"], row["key"], row["version"], row["reason"]].map(String).join(" "),
  );
}

describe("checking a credential", () => {
  test("a check sends the value to the provider, stores the result with the version, and is audited before and after", async () => {
    const company = await companyWith(key(1));
    say = async (text) => (text === key(1) ? "rejected" : "accepted");
    const { checkedAt, ...said } = await check(product, company, { secretKey: "STRIPE_SECRET_KEY" });
    expect([said, asked]).toEqual([{ version: 1, result: "rejected" }, [key(1)]]);
    expect((await checkedOf(company))?.check).toEqual({ result: "rejected", checkedAt });
    expect(await events(company)).toEqual([
      "job attempted STRIPE_SECRET_KEY 1 null",
      "job success STRIPE_SECRET_KEY 1 rejected",
    ]);
    await fixture.secrets.company(company, product).set("STRIPE_SECRET_KEY", key(2));
    expect((await checkedOf(company))?.check).toBeUndefined();
  });

  test("a check during a provider outage results in unknown, whatever the error was", async () => {
    const company = await companyWith(key(1));
    say = (text) => Promise.reject(new Error(text));
    expect(await check(product, company, { secretKey: "STRIPE_SECRET_KEY" })).toMatchObject({
      result: "unknown",
    });
    expect((await checkedOf(company))?.check?.result).toBe("unknown");
  });

  test("a check can name any active version, and no other", async () => {
    const company = await companyWith(key(1));
    const acme = fixture.secrets.company(company, product);
    await acme.set("STRIPE_SECRET_KEY", key(2), { graceSeconds: 60 });
    await check(product, company, { secretKey: "STRIPE_SECRET_KEY", version: 1 });
    expect(asked).toEqual([key(1)]);
    await acme.set("STRIPE_SECRET_KEY", key(3), { endGrace: true });
    for (const version of [1, 2, 99]) {
      expect(await codeOf(check(product, company, { secretKey: "STRIPE_SECRET_KEY", version }))).toBe(
        "NOT_FOUND",
      );
    }
    expect(asked).toHaveLength(1);
  });

  test("a check that is unsupported or not permitted is denied without calling the provider", async () => {
    const company = await companyWith(key(1));
    const other = await companyWith(key(1));
    const inInfisical = await fixture.company("infisical");
    await fixture.secrets.company(inInfisical, product).set("STRIPE_SECRET_KEY", key(1));
    const admin = await fixture.person(company, "admin");
    const auditor = await fixture.person(company, "auditor");
    const outcomes = await Promise.all(
      [
        check(product, company, { secretKey: "CUSTOM_A" }),
        check(product, inInfisical, { secretKey: "STRIPE_SECRET_KEY" }),
        check(product, company, { secretKey: "SENDGRID_API_KEY" }),
        check(admin, other, { secretKey: "STRIPE_SECRET_KEY" }),
        check(auditor, company, { secretKey: "STRIPE_SECRET_KEY" }),
        check(operator, company, { secretKey: "STRIPE_SECRET_KEY" }),
        check(product, company, { secretKey: "sk_test_fake_as_a_name" }),
      ].map(codeOf),
    );
    expect(outcomes).toEqual([
      "NOT_SUPPORTED",
      "NOT_SUPPORTED",
      "NOT_FOUND",
      "NOT_FOUND",
      "FORBIDDEN",
      "FORBIDDEN",
      "UNKNOWN_SECRET_KEY",
    ]);
    expect(asked).toEqual([]);
    const refused = (await events(company)).join("\n");
    expect(refused).toContain("user denied STRIPE_SECRET_KEY null FORBIDDEN");
    expect(refused).not.toContain("sk_test");
  });

  test("an aborted check stores no result", async () => {
    const company = await companyWith(key(1));
    const stopping = new AbortController();
    say = () => {
      stopping.abort();
      return new Promise(() => {});
    };
    const stopped = check(product, company, { secretKey: "STRIPE_SECRET_KEY", signal: stopping.signal });
    expect(await codeOf(stopped)).toBe("STORE_UNAVAILABLE");
    expect((await checkedOf(company))?.check).toBeUndefined();
  });
});

describe("writing with a check", () => {
  test("a write stores an accepted value with its result, and reports unknown but still writes if the provider is unavailable", async () => {
    const company = await companyWith(key(1));
    const acme = fixture.secrets.company(company, product);
    expect(await acme.set("STRIPE_SECRET_KEY", key(2), { check: true })).toEqual({
      version: 2,
      check: "accepted",
    });
    expect((await checkedOf(company))?.check?.result).toBe("accepted");
    say = () => Promise.reject(new Error("away"));
    expect(await acme.set("STRIPE_SECRET_KEY", key(3), { check: true })).toEqual({
      version: 3,
      check: "unknown",
    });
    expect(await acme.get("STRIPE_SECRET_KEY")).toBe(key(3));
    expect(await acme.set("STRIPE_SECRET_KEY", key(4))).toEqual({ version: 4 });
  });

  test("a write stores nothing if the provider rejects the value, the entry has no check, or the caller is not permitted", async () => {
    const company = await companyWith(key(1));
    const acme = fixture.secrets.company(company, product);
    say = async () => "rejected";
    const rejected = acme.set("STRIPE_SECRET_KEY", key(2), { check: true });
    await expect(rejected).rejects.toMatchObject({ code: "INVALID_VALUE", fields: ["check"] });
    await expect(rejected).rejects.not.toThrow("sk_test");
    expect(await codeOf(acme.set("CUSTOM_A", "a", { check: true }))).toBe("NOT_SUPPORTED");
    const other = await fixture.person(await fixture.company("database"), "owner");
    const foreign = fixture.secrets.company(company, other).set("STRIPE_SECRET_KEY", key(3), { check: true });
    expect(await codeOf(foreign)).toBe("NOT_FOUND");
    expect(asked).toEqual([key(2)]);
    expect((await checkedOf(company))?.version).toBe(1);
  });
});

test("scheduled checks run once in 24 hours per secret, paced per provider, and skip a removed secret", async () => {
  const { superuser, secrets } = fixture;
  await superuser`update companies set status = 'suspended'`;
  const [due, checked, gone] = [
    await companyWith(key(1)),
    await companyWith(key(2), "hybrid"),
    await companyWith(key(3)),
  ];
  await secrets.company(due, product).set("SENDGRID_API_KEY", sendgrid);
  await secrets.company(due, product).set("CUSTOM_A", "a");
  await check(product, checked, { secretKey: "STRIPE_SECRET_KEY" });
  asked = [];
  expect(await secrets.vault.enqueueDue()).toBe(3);
  expect(await secrets.vault.enqueueDue()).toBe(3);
  const jobs =
    await superuser`select j.key, round(extract(epoch from j.run_at - min(j.run_at) over ()) * 4)::int as at
    from graphile_worker._private_jobs j order by j.run_at, j.key`;
  expect(jobs.map((row) => String(row["key"])).toSorted()).toEqual(
    [`${due}/SENDGRID_API_KEY`, `${due}/STRIPE_SECRET_KEY`, `${gone}/STRIPE_SECRET_KEY`].map(
      (name) => `check-credential:${name}`,
    ),
  );
  const atStripe = jobs.filter((row) => String(row["key"]).includes("STRIPE"));
  expect(atStripe.map((row) => row["at"])).toEqual([0, 1]);
  await secrets.company(gone, product).remove("STRIPE_SECRET_KEY");
  const log: string[] = [];
  const tasks = createTasks({ database: fixture.database, secrets, log: () => {} });
  const running = await startJobs({
    maintenanceUrl: fixture.urls.maintenance,
    tasks,
    cron: {},
    log: (_, sentence) => void log.push(sentence),
  });
  onTestFinished(() => running.stop());
  await vi.waitFor(() => expect(log).toHaveLength(3), { timeout: 60_000 });
  expect(log).toEqual(Array(3).fill("job check-credential done"));
  expect(asked.toSorted()).toEqual([sendgrid, key(1)].toSorted());
  expect(await events(due)).toContain("job success STRIPE_SECRET_KEY 1 accepted");
  expect(await secrets.vault.enqueueDue()).toBe(0);
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update company_secret_versions set checked_at = now() - interval '25 hours' where check_result is not null`;
  });
  expect(await secrets.vault.enqueueDue()).toBe(3);
}, 30_000);
