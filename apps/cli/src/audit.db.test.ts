import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, type Database } from "@repo/db";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Environment } from "./testing/run-cli.ts";

// Each start of a process costs a busy machine seconds.
const slow = { timeout: 240_000 };

let fixture: Fixture;
let environment: Environment;
let directory: string;
const log: string[] = [];

const file = (name: string) => path.join(directory, name);

beforeAll(async () => {
  fixture = await createFixture();
  environment = { ...fixture.local, TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken };
  directory = await mkdtemp(path.join(tmpdir(), "tenant-secrets-test-"));
  for (const subdomain of ["acmecorp", "another-company"]) {
    await fixture.secrets.admin.companies.create(operator, { subdomain, secretStore: "database" });
    await fixture.secrets.company(subdomain, product).set("CUSTOM_A", "sk_test_fake_acmecorp_0001");
  }
  await seal();
});
afterAll(() => rm(directory, { recursive: true, force: true }));

type Sql = Parameters<Parameters<Database["outsideCompanies"]>[0]>[0];

async function asSuperuser<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
  const { superuserUrl } = fixture;
  const database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  try {
    return await database.outsideCompanies(work);
  } finally {
    await database.close();
  }
}

/** Seals all that there is, and logs it as the API does. */
async function seal(): Promise<void> {
  const sealer = fixture.secrets.admin.createSealer({
    heartbeatMs: 0,
    onAlarm: () => {},
    onSealed: ({ batch, events, checkpoint }) =>
      log.push(JSON.stringify({ level: "info", batch, events, checkpoint, msg: "checkpoint signed" })),
  });
  await asSuperuser(async (sql) => {
    for (;;) {
      await sealer.tick();
      const [row] = await sql`
        select count(*)::int as left from audit_events where xid >= (select to_xid from audit_checkpoints order by index desc limit 1)`;
      if (row?.["left"] === 0) return;
      await sleep(20);
    }
  });
}

test("the audit log is listed, one page after the other, through the API and without it", slow, async () => {
  const list = ["audit", "list", "--company", "acmecorp", "--limit", "2"];
  const remote = await cli(list, { ...fixture.remote });
  expect(remote.stdout).toMatch(
    /^TIME +LAST +COUNT +ACTOR +ACTION .*\n.* job test +secret\.write +CUSTOM_A@1 +success/,
  );
  const cursor = /Older ones: --cursor (\S+)/.exec(remote.stderr)?.[1] ?? "";
  const older = await cli([...list, "--cursor", cursor, "--json"], environment);
  expect(JSON.parse(older.stdout)).toMatchObject({ events: [{ action: "company.create" }] });
  const all = JSON.parse((await cli(["audit", "list", "--json"], environment)).stdout);
  expect(all).toMatchObject({
    events: expect.arrayContaining([expect.objectContaining({ action: "operator.create" })]),
  });
  expect(await failing([...list, "--cursor", `${cursor}A`], environment)).toMatchObject({
    code: "INVALID_INPUT",
  });
  const filtered = [
    "audit",
    "list",
    "--company",
    "acmecorp",
    "--json",
    "--actor",
    "test",
    "--outcome",
    "success",
  ];
  const { stdout } = await cli(
    [...filtered, "--secret-key", "CUSTOM_A", "--from", "2026-01-01"],
    environment,
  );
  expect(JSON.parse(stdout).events).toEqual([
    expect.objectContaining({ action: "secret.write", actorId: "test" }),
  ]);
  for (const [args, message] of [
    [["--limit", "101"], "--limit (at most 100)"],
    [["--outcome", "fine"], "--outcome does not have the form"],
    [["--from", "2026-01-02", "--to", "2026-01-01"], "is before the time"],
  ] as const) {
    expect(await failing(["audit", "list", ...args], environment)).toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining(message),
    });
  }
});

test("a summary counts what was done, and the proof says how far it is sealed", slow, async () => {
  const { stdout } = await cli(["audit", "summary", "--company", "acmecorp"], environment);
  expect(stdout).toMatch(/^DAY +READS +REVEALS +CHANGES +DENIALS$/m);
  expect(stdout).toMatch(/^CUSTOM_A +0 +0 +1 +0$/m);
  expect(stdout).toMatch(/^job test +0 +0 +1 +0$/m);
  const minutes = ["audit", "summary", "--company", "acmecorp", "--by", "minute"];
  expect(await failing(minutes, environment)).toMatchObject({ code: "INVALID_INPUT" });
  const proof = await cli(["audit", "proof", "--company", "acmecorp"], environment);
  expect(proof.stdout).toMatch(/^Sealed up to batch \d+, of \S+Z; \d+ events are not sealed yet\.$/m);
  expect(proof.stdout).toMatch(/^It was not verified yet\.$/m);
  expect(proof.stdout).toMatch(/^Fingerprint of the public key: [0-9a-f]{64}$/m);
});

test(
  "an export is written to a file of its owner's, and checked with nothing but the public keys",
  slow,
  async () => {
    await writeFile(file("keys.pem"), (await cli(["audit", "public-key"], environment)).stdout);
    const done = await cli(
      ["audit", "export", "--company", "acmecorp", "--output", file("acme.jsonl")],
      fixture.remote,
    );
    expect(done.stdout).toMatch(
      /^3 events of acmecorp are in .*acme\.jsonl\. \d are not sealed yet, and were left out\.\n$/,
    );
    expect((await stat(file("acme.jsonl"))).mode & 0o777).toBe(0o600);
    const check = ["audit", "verify-export", file("acme.jsonl"), "--public-key", file("keys.pem")];
    expect((await cli(check)).stdout).toMatch(
      /^3 events of company .{36}, from .* to .*: each is as it was sealed\.\n$/,
    );

    const written = await readFile(file("acme.jsonl"), "utf8");
    await writeFile(file("acme.jsonl"), written.replace('"secretKey":"CUSTOM_A"', '"secretKey":"CUSTOM_B"'));
    expect(await failing(check)).toMatchObject({ code: "INTEGRITY_FAILURE", exitCode: 1 });
    await writeFile(file("acme.jsonl"), "");
    expect(await failing(check)).toMatchObject({ code: "INTEGRITY_FAILURE" });

    const into = (name: string, ...more: string[]) => [
      "audit",
      "export",
      "--output",
      file(name),
      "--company",
      ...more,
    ];
    expect(await failing(into("acme.jsonl", "acmecorp"), environment)).toMatchObject({ code: "USAGE" });
    expect(await failing(into("none.jsonl", "unknown"), environment)).toMatchObject({ code: "NOT_FOUND" });
    await expect(stat(file("none.jsonl"))).rejects.toThrow("ENOENT");
    expect(await failing(into("none.jsonl", "acmecorp", "--from", "yesterday"), environment)).toMatchObject({
      code: "USAGE",
    });
    expect(
      await failing(["audit", "verify-export", file("gone"), "--public-key", file("keys.pem")]),
    ).toMatchObject({ code: "USAGE" });
  },
);

test(
  "verify says that all is well, and ends with exit code 1 and a sentence where the log or an event says otherwise",
  slow,
  async () => {
    await seal();
    await seal();
    await writeFile(file("api.log"), ["not json", ...log, '{"msg":"ready"}'].join("\n"));
    const verify = ["audit", "verify", "--checkpoints", file("api.log"), "--public-key", file("keys.pem")];
    const sound = await cli(verify, environment);
    expect(sound).toMatchObject({ exitCode: 0, stderr: "" });
    expect(sound.stdout).toMatch(
      /The last batch is \d+, sealed at .*, its checkpoint [0-9a-f]{64}\.\nNothing was changed, removed or inserted\.\n$/,
    );

    await asSuperuser((sql) =>
      sql.begin(async (one) => {
        await one`set local session_replication_role = replica`;
        await one`update audit_events set outcome = 'failed' where action = 'secret.write'`;
        await one`delete from audit_checkpoints where index = (select max(index) from audit_checkpoints)`;
      }),
    );
    const wrong = await cli(verify, environment);
    expect(wrong).toMatchObject({
      exitCode: 1,
      stderr: "INCOMPLETE: The audit log is not as it was written.\n",
    });
    expect(wrong.stdout).toMatch(
      /event-changed: 2\. The first: Event .{36} was changed after it was sealed in batch \d+\./,
    );
    expect(wrong.stdout).toMatch(
      /checkpoint-unknown: 1\. The first: Batch \d+, whose checkpoint was archived, is missing/,
    );

    const acknowledge = ["audit", "acknowledge-failover", "--yes", "--confirm", "1", "--checkpoints"];
    expect(await failing([...acknowledge, file("api.log")], environment)).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("There is no failover to acknowledge"),
    });
    await writeFile(file("other.log"), "{}\n");
    expect(await failing([...acknowledge, file("other.log")], environment)).toMatchObject({ code: "USAGE" });
    for (const args of [
      ["--checkpoints", file("other.log")],
      ["--checkpoints", file("gone")],
      ["--public-key", file("gone")],
    ]) {
      expect(await failing(["audit", "verify", ...args], environment)).toMatchObject({ code: "USAGE" });
    }
    expect(await failing(["audit", "verify"], fixture.remote)).toMatchObject({ code: "USAGE" });
    const stranger = { ...environment, TENANT_SECRETS_OPERATOR_TOKEN: await fixture.apiKey(["acmecorp"]) };
    expect(await failing(["audit", "verify"], stranger)).toMatchObject({ code: "FORBIDDEN", exitCode: 4 });
  },
);
