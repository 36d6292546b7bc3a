import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Environment } from "./testing/run-cli.ts";

let fixture: Fixture;
let directory: string;
let alice: Environment;
let bob: Environment;

beforeAll(async () => {
  fixture = await createFixture();
  directory = await mkdtemp(path.join(tmpdir(), "tenant-secrets-approvals-"));
  const { OPERATOR_APPROVALS: _, ...local } = fixture.local;
  const expiresAt = new Date(Date.now() + 3_600_000);
  const { token } = await fixture.secrets.admin.operators.create(operator, { name: "bob", expiresAt });
  alice = { ...local, TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken };
  bob = { ...fixture.remote, TENANT_SECRETS_OPERATOR_TOKEN: token };
  await fixture.secrets.admin.companies.create(operator, { subdomain: "gone", secretStore: "database" });
  await fixture.secrets.company("gone", product).set("CUSTOM_A", "sk_test_fake_approvals_0001");
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test("a company is shredded once another operator has approved it, through the API or beside the database", async () => {
  const output = path.join(directory, "receipt.json");
  const shred = ["keys", "shred", "gone", "--backups-kept-days", "30", "--output", output];
  const confirmed = [...shred, "--yes", "--confirm", "gone"];
  const waiting = await failing(confirmed, alice);
  expect(waiting).toMatchObject({ code: "APPROVAL_REQUIRED", exitCode: 4 });
  const id = waiting.approvalId ?? "";
  expect(waiting.message).toContain(`secrets approvals give ${id}`);
  expect(existsSync(output)).toBe(false);

  const listed = await cli(["approvals", "list"], bob);
  expect(listed.stdout).toMatch(new RegExp(`${id} +waiting +key.shred .*subdomain=gone .*test`));
  expect(await failing(["approvals", "give", id], alice)).toMatchObject({ code: "FORBIDDEN" });
  const given = await cli(["approvals", "give", id], bob);
  expect(given).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("is approved") });

  const done = await cli(confirmed, alice);
  expect(done).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("was shredded at") });
  expect((await cli(["approvals", "list"], bob)).stdout).toMatch(/used by bob/);
  expect(await failing(["approvals", "refuse", id], bob)).toMatchObject({ code: "CONFLICT", exitCode: 5 });
});

test("any other number of operators is refused", async () => {
  for (const wrong of ["0", "3", "off"]) {
    const failure = await failing(["approvals", "list"], { ...alice, OPERATOR_APPROVALS: wrong });
    expect(failure).toMatchObject({ exitCode: 2, message: expect.stringContaining("OPERATOR_APPROVALS") });
  }
});
