import { randomBytes } from "node:crypto";
import { connectDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { operator } from "@repo/hono-api/testing";
import { startServer } from "@repo/hono-api/testing/spawn";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { screenshot } from "./looks.ts";
import { createWorld, expectNoOverflow, type PersonAtPage, type World } from "./world.ts";

let world: World;
let olga: PersonAtPage;
/** Something happens to the database, past the product. */
let happens: (statement: string) => Promise<void>;

// No process runs jobs before one is started: long work waits where it is.
beforeAll(async () => {
  world = await createWorld({ JOBS: "none" });
  const { superuserUrl } = world.backends.database;
  const database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  whenDone(() => database.close());
  happens = async (statement) => {
    await database.acrossCompanies((statements) => statements.execute(statement));
  };
  for (const company of ["acmecorp", "another-company"] as const) {
    await (await world.client(company)).company(company).set("CUSTOM_FAKE", "fake_custom_0001");
  }
  olga = await world.operator();
});

const runsOf = (company: string) => world.backends.secrets.admin.runs.list(operator, { company, limit: 10 });

it("a new company key takes the company's name, and its rotation is left, found, paused and resumed", async () => {
  const { page, open } = olga;
  await open("/platform/companies/another-company");
  await page.getByText("It was never rotated.").waitFor();
  await page.getByRole("button", { name: "New company key" }).click();
  const dialog = page.getByRole("alertdialog");
  const make = dialog.getByRole("button", { name: "Make a new key" });
  await dialog.getByLabel("Type another-company to go on").fill("another");
  expect(await make.isDisabled()).toBe(true);
  expect(await runsOf("another-company")).toEqual([]);
  await dialog.getByLabel("Type another-company to go on").fill("another-company");
  await make.click();
  const rotation = page.getByRole("group", { name: "Rotation of the company key" });
  await rotation.getByText(/^0 of \d$/).waitFor();
  await rotation.getByText("Waits for a process that runs jobs").waitFor();
  await page.getByText("Version 2, made").waitFor();
  expect(await page.getByRole("button", { name: "New company key" }).count()).toBe(0);
  await page.getByText("Company key 2 is in use").first().waitFor({ state: "hidden" });
  await screenshot(page, "platform-company-key-light-1280");

  await page.getByRole("link", { name: "Long work" }).click();
  await page.reload();
  const run = page.getByRole("article", { name: "Rotation of a company's key" });
  await run.getByText("another-company").waitFor();
  await run.getByRole("button", { name: "Pause" }).click();
  await run.getByText("paused", { exact: true }).waitFor();
  expect(await runsOf("another-company")).toMatchObject([{ state: "paused" }]);
  await page.reload();
  await run.getByText("paused", { exact: true }).waitFor();
  expect(await run.getByRole("button", { name: "Pause" }).count()).toBe(0);
  await run.getByRole("button", { name: "Resume" }).click();
  await run.getByText("running", { exact: true }).waitFor();
  const [event] = await world.events("run.resume");
  expect(event).toMatchObject({ outcome: "success", actorKind: "operator" });
});

it("an operator cancels a rotation, which then is among the earlier work", async () => {
  await world.backends.secrets.admin.companyKeyRotation.requestRotation(operator, "acmecorp");
  const { page, open } = olga;
  await open("/platform/runs");
  const run = page
    .getByRole("article")
    .filter({ has: page.getByRole("link", { name: "acmecorp", exact: true }) });
  await run.getByRole("button", { name: "Cancel…" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Cancel for good" }).click();
  await page.getByRole("row", { name: /acmecorp.*cancelled/ }).waitFor();
  expect(await run.count()).toBe(0);
  expect(await runsOf("acmecorp")).toMatchObject([{ state: "cancelled", allows: [] }]);
  await screenshot(page, "platform-runs-light-1280");
});

it("the people of a company see how far its rotation is, and when it ended", async () => {
  const pat = await world.owner("another-company");
  await pat.open("/c/another-company/settings");
  const key = pat.page.getByRole("region", { name: "Company key" });
  await key.getByText("running", { exact: true }).waitFor();
  await key.getByText(/^0 of \d$/).waitFor();
  expect(await pat.page.getByRole("button", { name: "New company key" }).count()).toBe(0);
  await screenshot(pat.page, "settings-rotation-light-1280");

  const worker = startServer(world.variables, "worker");
  whenDone(async () => {
    worker.kill("SIGKILL");
    await worker.ended;
  });
  await worker.says(/"msg":"ready/);
  await key.getByText(/^0 of \d$/).waitFor({ state: "detached" });
  await expect.poll(() => key.locator("time").count()).toBe(2);
  expect(await runsOf("another-company")).toMatchObject([{ state: "done" }]);

  const { page, open } = olga;
  await open("/platform/companies/another-company");
  await page.getByText(/Its last rotation ended/).waitFor();
});

it("the backups of the keys are listed, and the page says what the newest one lacks", async () => {
  const { page, open } = olga;
  const made = async (days: number): Promise<string> => {
    const fingerprint = `sha256:${randomBytes(32).toString("hex")}`;
    await happens(
      `insert into key_backups (fingerprint, place, created_at) values ('${fingerprint}', 'host-of-a-test:/backups/keys-${days}.age', now() - interval '${days} days')`,
    );
    return fingerprint;
  };
  await open("/platform/keys");
  await page.getByText("No backup of the keys is known").waitFor();
  await made(3);
  await page.reload();
  await page.getByText("No backup has master key 1").waitFor();
  const newest = await made(0);
  await page.reload();
  await page.getByText("The newest backup was never checked").waitFor();
  const list = page.getByRole("table", { name: "Backups of the keys" });
  expect(await list.getByRole("row").count()).toBe(3);
  await list.getByText("host-of-a-test:/backups/keys-3.age").waitFor();
  await screenshot(page, "platform-keys-backups-light-1280");
  await happens(`update key_backups set checked_at = now(), complete = true where fingerprint = '${newest}'`);
  await page.reload();
  await list.getByText("Every key").waitFor();
  expect(await page.getByText("The newest backup").count()).toBe(0);
});

it("the pages fit a phone in dark, and axe finds nothing", async () => {
  const { page, open } = await world.signedIn(olga.person, {
    colorScheme: "dark",
    viewport: { width: 360, height: 740 },
  });
  for (const [address, heading] of [
    ["runs", "Earlier work"],
    ["keys", "Backups of the keys"],
    ["companies/another-company", "Settings"],
  ] as const) {
    await open(`/platform/${address}`);
    await page.getByRole("heading", { name: heading }).waitFor();
    await expectNoOverflow(page);
    await expectAccessible(page);
    await page.getByRole("heading", { name: heading }).scrollIntoViewIfNeeded();
    await screenshot(page, `platform-${address.replace("/", "-")}-dark-360`);
  }
});
