import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import {
  armor,
  Decrypter,
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
} from "age-encryption";
import { beforeAll, describe, expect, test } from "vitest";
import type { Caller, InputOf, VaultOperations } from "@repo/catalog";
import { parseEnvFile, parseJsonFile } from "@repo/catalog/file-formats";
import { verifyReceipt } from "../receipts.ts";
import { codeOf, createFixture, operator, product, type Fixture, type Person } from "../testing/fixture.ts";
import { withCommitPoints } from "../testing/points.ts";

const canary = "fake_canary_0001";
const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const handOver = { format: "json", purpose: "hand-over", recipients: [recipient] } as const;

let fixture: Fixture;
let subdomain: string;
let owner: Person;
let publicKey: string;

beforeAll(async () => {
  fixture = await createFixture(undefined, { sensitiveCallsPerMinute: 10_000 });
  await fixture.secrets.prepare();
  publicKey = await fixture.secrets.shredding.publicKey(operator);
  subdomain = await fixture.company("database");
  owner = await fixture.person(subdomain, "owner");
  const own = fixture.secrets.company(subdomain, product);
  await own.set("CUSTOM_A", `${canary}-before`);
  await own.set("CUSTOM_A", canary);
  await own.set("STRIPE_WEBHOOK_SECRET", "whsec_fakefakefake0001fake");
});

interface Place {
  readonly company?: string;
  readonly caller?: Caller;
  readonly secrets?: Fixture["secrets"];
}

async function exporting(
  input: InputOf<VaultOperations["export"]> = handOver,
  { company = subdomain, caller = owner, secrets = fixture.secrets }: Place = {},
) {
  return secrets.vault.export(await fixture.scope(company, caller), input);
}

async function opened(file: string, identities: readonly string[] = [identity]): Promise<string> {
  const decrypter = new Decrypter();
  for (const each of identities) decrypter.addIdentity(each);
  return decrypter.decrypt(armor.decode(file), "text");
}

/** A receipt, verified with the public key alone. */
function contentOf(receipt: Awaited<ReturnType<typeof exporting>>["receipt"]) {
  const content = verifyReceipt(JSON.stringify(receipt), publicKey);
  if (content.format !== "tenant-secrets-export/1") throw new Error("this is another receipt");
  return content;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

async function receiptsOf(company: string): Promise<readonly string[]> {
  const rows =
    await fixture.superuser`select r.id from export_receipts r join companies c on c.id = r.company_id
    where c.subdomain = ${company}`;
  return rows.map(({ id }) => String(id));
}

describe("an encrypted export", () => {
  test.for(["database", "hybrid", "infisical"] as const)(
    "of a company in the store %s opens with the recipient's key alone, and its receipt is about this file",
    async (store) => {
      const company = await fixture.company(store);
      const caller = await fixture.person(company, "admin");
      const large = "ü".repeat(32_768);
      await fixture.secrets.company(company, product).set("CUSTOM_LARGE", large);
      await fixture.secrets.company(company, product).set("CUSTOM_LINES", "a\r\n'b'\n#$");
      for (const [format, parse] of [
        ["env", parseEnvFile],
        ["json", parseJsonFile],
      ] as const) {
        const { file, secretKeys, receipt } = await exporting({ ...handOver, format }, { company, caller });
        expect(secretKeys).toEqual(["CUSTOM_LARGE", "CUSTOM_LINES"]);
        const entries = parse(await opened(file)).map(({ secretKey, text }) => [secretKey, text]);
        expect(Object.fromEntries(entries)).toEqual({ CUSTOM_LARGE: large, CUSTOM_LINES: "a\r\n'b'\n#$" });
        const stranger = [await generateX25519Identity()];
        await expect(opened(file, stranger)).rejects.toThrow("no identity matched");
        expect(contentOf(receipt).file).toEqual({ format, bytes: file.length, sha256: sha256(file) });
      }
    },
  );

  test("has a signed receipt of who exported which versions to whom, and what was left out, and none of it has a value", async () => {
    const company = await fixture.company("hybrid");
    const caller = await fixture.person(company, "owner");
    const own = fixture.secrets.company(company, product);
    await own.set("CUSTOM_A", `${canary}-before`);
    await own.set("CUSTOM_A", canary);
    await own.set("STRIPE_WEBHOOK_SECRET", "whsec_fakefakefake0001fake");
    for (const [name, value] of [
      ["CUSTOM_EMPTY", ""],
      ["OLD_THING", canary],
    ] as const)
      await fixture.infisical.putSecret(`/tenants/${company}`, name, value);
    const second = await generateX25519Identity();
    const recipients = [recipient, await identityToRecipient(second)];
    const before = Date.now();
    const { file, receipt } = await exporting({ ...handOver, recipients }, { company, caller });
    expect(await opened(file, [second])).toContain(canary);
    const content = contentOf(receipt);
    expect(content).toMatchObject({
      company: { subdomain: company },
      region: "default",
      exportedBy: `user ${caller.userId}`,
      purpose: "hand-over",
      secretKeys: ["*"],
      recipients,
      secrets: [{ secretKey: "CUSTOM_A", version: 2 }],
      leftOut: [
        { secretKey: "CUSTOM_EMPTY", reason: "unusable" },
        { secretKey: "OLD_THING", reason: "not-in-catalogue" },
        { secretKey: "STRIPE_WEBHOOK_SECRET", reason: "write-only" },
      ],
    });
    expect(Math.abs(Date.parse(content.exportedAt) - before)).toBeLessThan(60_000);
    for (const text of [JSON.stringify(receipt), file]) {
      expect(text).not.toContain(canary);
      expect(text).not.toContain("whsec_");
    }
    const [{ rows }] = (await fixture.superuser`
      select json_agg(r)::text as rows from export_receipts r`) as unknown as [{ rows: string }];
    expect(rows).toContain(content.id);
    expect(rows).not.toContain(canary);
    const events =
      await fixture.superuser`select action, secret_key, version, reason, subject from audit_events
      where subject = ${content.id}`;
    expect([...events]).toEqual([
      {
        action: "secret.export",
        secret_key: "CUSTOM_A",
        version: 2,
        reason: "hand-over",
        subject: content.id,
      },
    ]);
  });

  test("of an empty company is an empty file with a receipt, and is audited", async () => {
    const company = await fixture.company("database");
    const caller = await fixture.person(company, "owner");
    const { file, receipt } = await exporting(handOver, { company, caller });
    expect(await opened(file)).toBe("{}\n");
    const { id, secrets } = contentOf(receipt);
    expect(secrets).toEqual([]);
    const [event] = await fixture.superuser`select outcome, reason from audit_events where subject = ${id}`;
    expect(event).toEqual({ outcome: "success", reason: "hand-over" });
  });

  test("is encrypted to post-quantum keys too", async () => {
    const postQuantum = await generateHybridIdentity();
    const recipients = [await identityToRecipient(postQuantum)];
    const { file } = await exporting({ ...handOver, recipients });
    expect(await opened(file, [postQuantum])).toContain(canary);
  });

  test("by an API key says which secret keys the API key covers", async () => {
    const { apiKey } = await fixture.secrets.apiKeys.create(operator, {
      name: "exporter",
      companies: [subdomain],
      platform: false,
      verbs: ["export"],
      secretKeys: ["CUSTOM_*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    const caller = await fixture.secrets.authenticate({ credential: apiKey });
    const { receipt } = await exporting(handOver, { caller });
    expect(contentOf(receipt)).toMatchObject({
      exportedBy: expect.stringMatching(/^service /),
      secretKeys: ["CUSTOM_*"],
      secrets: [{ secretKey: "CUSTOM_A", version: 2 }],
      leftOut: [],
    });
  });

  test("made 50 times at once has 50 files with a receipt each, of their own", async () => {
    const company = await fixture.company("database");
    const caller = await fixture.person(company, "owner");
    await fixture.secrets.company(company, product).set("CUSTOM_A", canary);
    const made = await Promise.all(
      Array.from({ length: 50 }, () => exporting(handOver, { company, caller })),
    );
    const receipts = made.map(({ file, receipt }) => {
      const content = contentOf(receipt);
      expect(content.file.sha256).toBe(sha256(file));
      return content;
    });
    expect(new Set(receipts.map(({ file }) => file.sha256)).size).toBe(50);
    expect((await receiptsOf(company)).toSorted()).toEqual(receipts.map(({ id }) => id).toSorted());
  });
});

const ageTool = "age";
const hasAge = spawnSync(ageTool, ["--version"]).status === 0;
test.runIf(hasAge)("the age tool opens an encrypted export", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "export-"));
  try {
    const [key, file] = [path.join(directory, "key.txt"), path.join(directory, "acmecorp.age")];
    await writeFile(key, `# a comment, as age-keygen writes one\n${identity}\n`);
    await writeFile(file, (await exporting()).file);
    const { stdout } = await promisify(execFile)(ageTool, ["-d", "-i", key, file]);
    expect(JSON.parse(stdout)).toEqual({ CUSTOM_A: canary });
  } finally {
    await rm(directory, { recursive: true });
  }
});

describe("no file is answered", () => {
  const mistyped = `${recipient.slice(0, -1)}${recipient.endsWith("q") ? "p" : "q"}`;
  // 32 zero bytes: a point of low order, with which everyone shares the same secret.
  const lowOrder = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z";

  test.for([
    [[], "1 to 20 recipients"],
    [[identity], "is a private key. Do not use it any more"],
    [[recipient, recipient], "the same as recipient 1"],
    [[mistyped], "a typing error"],
    [[lowOrder], "a typing error"],
    [["__proto__"], "no public key"],
    [[`${recipient}\0`], "no public key"],
    [["x".repeat(65_537)], "recipients.0 (at most 1959)"],
    [Array.from({ length: 50 }, () => recipient), "recipients (at most 20)"],
  ] as const)("to recipients %#, and the refusal quotes nothing of them", async ([recipients, sentence]) => {
    const before = await receiptsOf(subdomain);
    const error = await exporting({ ...handOver, recipients }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "INVALID_INPUT", message: expect.stringContaining(sentence) });
    expect(String(error)).not.toContain(identity);
    expect(String(error)).not.toContain("__proto__");
    expect(await receiptsOf(subdomain)).toEqual(before);
  });

  test("to an operator, a member, an auditor or code of the product, and to another company's owner none that says more than NOT_FOUND", async () => {
    const others = await Promise.all(
      (["member", "auditor"] as const).map((role) => fixture.person(subdomain, role)),
    );
    for (const caller of [operator, product, ...others])
      expect(await codeOf(exporting(handOver, { caller }))).toBe("FORBIDDEN");
    const stranger = await fixture.person(await fixture.company("database"), "owner");
    expect(await codeOf(exporting(handOver, { caller: stranger }))).toBe("NOT_FOUND");
    expect(await codeOf(exporting(handOver, { caller: stranger, company: "nobody-here" }))).toBe("NOT_FOUND");
  });

  test("where the database ends the connection before the commit, and then neither receipt nor event is left", async () => {
    const company = await fixture.company("database");
    const caller = await fixture.person(company, "owner");
    await fixture.secrets.company(company, product).set("CUSTOM_A", canary);
    const exportsOf =
      () => fixture.superuser`select e.id from audit_events e join companies c on c.id = e.company_id
      where c.subdomain = ${company} and action = 'secret.export' and outcome = 'success'`;
    const end = async (): Promise<void> => {
      await fixture.superuser`select pg_terminate_backend(pid, 5000) from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%'`;
    };
    const cut = fixture.another({ database: withCommitPoints(fixture.database, end) });
    await cut.prepare();
    const error = await exporting(handOver, { company, caller, secrets: cut }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ code: expect.stringMatching(/^(?:DATABASE|AUDIT)_UNAVAILABLE$/) });
    expect(JSON.stringify(error)).not.toContain(canary);
    expect([await receiptsOf(company), [...(await exportsOf())]]).toEqual([[], []]);
    await exporting(handOver, { company, caller });
    expect([(await receiptsOf(company)).length, (await exportsOf()).length]).toEqual([1, 1]);
  });
});

test("a receipt that was changed, or is of another file, is found by its verification", async () => {
  const [first, second] = [await exporting(), await exporting()];
  expect(contentOf(first.receipt).file.sha256).not.toBe(sha256(second.file));
  const { receipt = "", signature = "" } = first.receipt ?? {};
  for (const changed of [
    { receipt: receipt.replace('"version": 2', '"version": 1'), signature },
    { receipt: receipt.replace("hand-over", "incident"), signature },
    { receipt, signature: second.receipt?.signature ?? "" },
  ]) {
    expect(changed).not.toEqual({ receipt, signature });
    expect(() => verifyReceipt(JSON.stringify(changed), publicKey)).toThrow("This receipt was modified");
  }
});

describe("the receipts of a company", () => {
  test("are for its owners, admins and auditors and for operators, and another company's cannot be told from none", async () => {
    const made = await exporting();
    const { id } = contentOf(made.receipt);
    const { exports } = fixture.secrets;
    for (const caller of [
      owner,
      await fixture.person(subdomain, "admin"),
      await fixture.person(subdomain, "auditor"),
      operator,
    ]) {
      expect(await exports.receipt(caller, { company: subdomain, export: id })).toEqual(made.receipt);
      const { exports: listed } = await exports.list(caller, { company: subdomain });
      expect(listed[0]).toMatchObject({
        id,
        facts: {
          exportedBy: `user ${owner.userId}`,
          exportedByName: expect.stringMatching(/./),
          recipients: [recipient],
          secrets: 1,
          leftOut: 1,
        },
      });
    }
    const other = await fixture.company("database");
    const stranger = await fixture.person(other, "owner");
    const member = await fixture.person(subdomain, "member");
    expect(await codeOf(exports.list(member, { company: subdomain }))).toBe("FORBIDDEN");
    expect(await codeOf(exports.receipt(stranger, { company: subdomain, export: id }))).toBe("NOT_FOUND");
    expect(await codeOf(exports.receipt(stranger, { company: other, export: id }))).toBe("NOT_FOUND");
    expect(await codeOf(exports.receipt(operator, { company: other, export: id }))).toBe("NOT_FOUND");
    expect(await codeOf(exports.list(operator, { company: "../" }))).toBe("NOT_FOUND");
    expect((await exports.list(stranger, { company: other, cursor: id })).exports).toEqual([]);
  });

  test("stay for operators once the company is suspended and deleted", async () => {
    const company = await fixture.company("database");
    const caller = await fixture.person(company, "owner");
    const { receipt } = await exporting(handOver, { company, caller });
    const named = { company, export: contentOf(receipt).id };
    await fixture.secrets.suspension.suspend(operator, company);
    expect(await codeOf(exporting(handOver, { company, caller }))).toBe("COMPANY_SUSPENDED");
    expect(await codeOf(fixture.secrets.exports.receipt(caller, named))).toBe("COMPANY_SUSPENDED");
    expect(await fixture.secrets.exports.receipt(operator, named)).toEqual(receipt);
    await fixture.superuser`update companies set status = 'deleted', deleted_at = now() where subdomain = ${company}`;
    expect(await fixture.secrets.exports.receipt(operator, named)).toEqual(receipt);
  });

  test("are listed by pages of 100, each once, also where one of them was damaged in the database", async () => {
    const company = await fixture.company("database");
    const [{ id: companyId }] = (await fixture.superuser`
      select id from companies where subdomain = ${company}`) as unknown as [{ id: string }];
    await fixture.superuser`insert into export_receipts (company_id, id, exported_at, receipt, signature)
      select ${companyId}, gen_random_uuid(), '2026-01-01Z', '{"__proto__":1}', '1.A' from generate_series(1, 250)`;
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await fixture.secrets.exports.list(operator, { company, cursor });
      expect(page.exports.length).toBeLessThanOrEqual(100);
      expect(page.exports.every(({ facts }) => facts === undefined)).toBe(true);
      seen.push(...page.exports.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect([seen.length, new Set(seen).size]).toEqual([250, 250]);
  });

  test("can be changed and deleted by no role of the product", async () => {
    const [{ may }] =
      (await fixture.superuser`select bool_or(has_table_privilege(role, 'export_receipts', right_))
      as may from unnest(array['tenant_secrets_application', 'tenant_secrets_maintenance']) as role,
      unnest(array['update', 'delete', 'truncate']) as right_`) as unknown as [{ may: boolean }];
    expect(may).toBe(false);
  });
});
