import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { connectDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { operator } from "@repo/hono-api/testing";
import { startServer, type ServerProcess } from "@repo/hono-api/testing/spawn";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { screenshot } from "./looks.ts";
import { createWorld, type World } from "./world.ts";

/** Of a test: its identity was thrown away. */
const recipient = "age1pl4qdvhm3jzxh93nk9xjtwakc6fpddhe5xe2p8ctdtaxytw05dxqrzmsv6";

let world: World;
let worker: ServerProcess;
/** Something happens to the database, past the product. */
let happens: (statement: string) => Promise<void>;

beforeAll(async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "key-backups-"));
  whenDone(() => rm(directory, { recursive: true }));
  world = await createWorld({ JOBS: "none", KEY_BACKUP_RECIPIENTS: recipient, KEY_BACKUP_DIR: directory });
  const { superuserUrl } = world.backends.database;
  const database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  whenDone(() => database.close());
  happens = async (statement) => {
    await database.acrossCompanies((statements) => statements.execute(statement));
  };
  worker = await startWorker();
});

it("T57 a rotation is begun, left, found in the clock, and goes on after its worker was killed", async () => {
  const { page, open } = await world.operator();
  // A process that does not load the new key: the rotation waits for it.
  await happens(
    "insert into processes (id, region, master_key_versions, seen_at) values (gen_random_uuid(), 'default', '{1}', now() + interval '1 hour')",
  );
  await open("/platform/keys");
  await page.getByRole("row", { name: /Version 1.*In use/ }).waitFor();
  await page.getByRole("button", { name: "Rotate the master key" }).click();
  await page.getByRole("button", { name: "Rotate", exact: true }).click();
  const step = page.locator("[aria-current=step]");
  await step.getByText("Wait until each process has it").waitFor();

  await page.getByRole("link", { name: "Companies" }).click();
  await page.reload();
  await page.getByRole("button", { name: "1 running" }).click();
  await page.getByText("Rotation of the master key").waitFor();
  await page.keyboard.press("Escape");

  worker.kill("SIGKILL");
  await worker.ended;
  await happens("update runs set lease_until = now() where finished_at is null");
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByText("No process is at it").waitFor();
  await step.getByText("Wait until each process has it").waitFor();

  await happens("delete from processes where seen_at > now()");
  await startWorker();
  await page.getByRole("button", { name: "Go on now" }).click();
  await page.getByRole("row", { name: /Version 2.*In use/ }).waitFor();
  await page.getByRole("row", { name: /Version 1.*Retired/ }).waitFor();

  await page.getByRole("button", { name: "Show the report" }).click();
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText("nothing is left under the old key").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download" }).click();
  const { masterKeys } = world.backends.secrets.admin;
  const file = await readFile(await (await download).path(), "utf8");
  await masterKeys.verifyReport(operator, JSON.parse(file));
  const { versions } = await masterKeys.status(operator);
  expect(versions.map(({ status }) => status)).toEqual(["retired", "active"]);
});

it("T58 a damaged wrap is named in the report, and the page says what to do", async () => {
  await startWorker();
  await happens(`update company_key_wraps set wrapped = left(wrapped, -4) || 'AAAA'
    where company_id = (select id from companies where subdomain = 'another-company')`);
  const { page, open } = await world.operator();
  await open("/platform/keys");
  await page.getByRole("button", { name: "Rotate the master key" }).click();
  await page.getByRole("button", { name: "Rotate", exact: true }).click();
  await page.getByText("1 key did not open in the last rotation").waitFor();
  await page.getByRole("row", { name: /Version 2.*Retiring.*1 damaged/ }).waitFor();
  await page.getByRole("button", { name: "Show the report" }).click();
  const named = page.getByRole("listitem").filter({ hasText: "Key 1 of another-company" });
  await named.getByText("put its row of company_key_wraps back from a backup").waitFor();
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText("something is still under the old key").waitFor();
  await expectAccessible(page);
  await screenshot(page, "platform-damage-light-1280");
  const { versions } = await world.backends.secrets.admin.masterKeys.status(operator);
  expect(versions.find(({ version }) => version === 2)).toMatchObject({ status: "retiring", damaged: 1 });
});

/** Ends with the test that starts it. */
async function startWorker(): Promise<ServerProcess> {
  const started = startServer(world.variables, "worker");
  whenDone(async () => {
    started.kill("SIGKILL");
    await started.ended;
  });
  await started.says(/"msg":"ready/);
  return started;
}
