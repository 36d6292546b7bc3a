import { readFile } from "node:fs/promises";
import { operator } from "@repo/hono-api/testing";
import { verifyMigrationReport } from "@repo/tenant-secrets/operator";
import { codeOf } from "@repo/sign-in/authenticator-code";
import type { Locator, Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { screenshot } from "./looks.ts";
import { createWorld, expectNoOverflow, type PersonAtPage, type World } from "./world.ts";

let world: World;
let olga: PersonAtPage;
/** Values of secrets: no page and no answer may hold one. */
let good: string;
let refused: string;

const folder = "/tenants/codewiser";

beforeAll(async () => {
  world = await createWorld();
  good = world.canary("sk_test_fake_codewiser_canary_7b21");
  refused = world.canary("fake-no-key-of-stripe-canary-91d4");
  const { infisical } = world.backends;
  await infisical.putSecret(folder, "STRIPE_SECRET_KEY", good);
  await infisical.putSecret(folder, "CUSTOM_B", world.canary("fake-canary-of-custom-b-0001"));
  olga = await world.operator();
});

/** Seven migrations, one after the other. */
const wholeWay = { timeout: 300_000 };
/** A radio takes an arrow that is still down when it gets the focus. */
const asAFinger = { delay: 50 };

const sheet = (page: Page): Locator => page.getByRole("dialog", { name: "Begin a migration" });
const submit = (page: Page, verb: string): Promise<void> =>
  sheet(page).getByRole("button", { name: verb, exact: true }).click();
/** Its name has what it means after it. */
const radio = (page: Page, name: string): Locator =>
  sheet(page).getByRole("radio", { name: new RegExp(`^${name} ?[A-Z]`) });
const button = (page: Page, name: string): Locator => page.getByRole("button", { name, exact: true });
/** Of a company in a migration. */
const item = (page: Page, company: string): Locator =>
  page.getByRole("list", { name: "Companies" }).getByRole("listitem", { name: company, exact: true });
const storeOf = async (company: string) =>
  (await world.backends.secrets.admin.companies.get(operator, company)).secretStore;

/** Of the last migration, whether it goes on or has ended. */
const earlierOrLeft = (page: Page): Locator =>
  page.getByRole("main").getByRole("link", { name: "Migration: switch to the database store" }).first();

/** Waits for the end of the migration that the page shows. */
async function ended(page: Page, title: string): Promise<void> {
  await page.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();
  await page.getByRole("group", { name: "What comes next" }).waitFor();
}

it(
  "T61 a company is planned, copied, verified, mended, switched and rolled back, and the report is genuine",
  wholeWay,
  async () => {
    const { page, open } = olga;
    const { infisical, emulator, secrets } = world.backends;
    await open("/platform/companies/codewiser");
    const place = page.getByRole("region", { name: "Where its secrets are" });
    await place.getByText("Not copied").waitFor();
    await place.getByRole("link", { name: "Plan…" }).click();
    expect(await sheet(page).getByLabel("Subdomains").inputValue()).toBe("codewiser");
    await submit(page, "Plan");
    await ended(page, "Migration: plan before switch");
    await item(page, "codewiser").getByText("2 in the folder, 0 in the database").waitFor();

    await button(page, "Next: copy").click();
    await submit(page, "Copy");
    await ended(page, "Migration: copy");
    await item(page, "codewiser").getByText("2 secrets moved").waitFor();

    await infisical.putSecret(folder, "STRIPE_SECRET_KEY", refused);
    await infisical.putSecret(folder, "CUSTOM_B", world.canary("fake-canary-of-custom-b-0002"));
    await button(page, "Next: verify").click();
    await submit(page, "Verify");
    await ended(page, "Migration: verify");
    const findings = item(page, "codewiser").getByRole("list", { name: "Findings of codewiser" });
    const finding = (code: string): Locator => findings.getByRole("listitem").filter({ hasText: code });
    await finding("DIFFERS").getByText("CUSTOM_B").waitFor();
    await finding("DIFFERS").getByText("Copy once more, which brings what the folder has").waitFor();
    await finding("VALUE_REFUSED").getByText("STRIPE_SECRET_KEY").waitFor();
    await screenshot(page, "platform-migration-verify-light-1280");

    await button(page, "Next: switch").click();
    await world.unconfirm(olga.person);
    await submit(page, "Switch");
    await confirm(page);
    await ended(page, "Migration: switch to the hybrid store");
    await item(page, "codewiser").getByText("Not switched: its store is as it was.").waitFor();
    await finding("VALUE_REFUSED").getByText("STRIPE_SECRET_KEY").waitFor();
    expect(await storeOf("codewiser")).toBe("infisical");

    await infisical.putSecret(folder, "STRIPE_SECRET_KEY", good);
    await button(page, "Next: switch").click();
    await radio(page, "Database").click();
    // Long enough for a person to pause it in the middle.
    emulator.faults.add({ kind: "delay", durationMs: 3000 }, { path: /secrets/ });
    await submit(page, "Switch");
    await page.getByRole("group", { name: "Progress" }).getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await page.getByRole("link", { name: "Companies", exact: true }).click();
    await page.reload();
    await page.getByRole("link", { name: "Migrations" }).click();
    const left = page.getByRole("article", { name: "Migration: switch to the database store" });
    await left.getByText("paused", { exact: true }).waitFor();
    await left.getByRole("button", { name: "Resume" }).click();
    await left.getByText("paused", { exact: true }).waitFor({ state: "hidden" });
    await earlierOrLeft(page).click();
    await ended(page, "Migration: switch to the database store");
    await item(page, "codewiser").getByText("Infisical → Database, epoch 1 → 2").waitFor();
    expect(await storeOf("codewiser")).toBe("database");

    // What is written from now on has a history that Infisical has no place for.
    const newer = world.canary("sk_test_fake_codewiser_canary_8c32");
    await (await world.client("codewiser")).company("codewiser").set("STRIPE_SECRET_KEY", newer);
    await button(page, "Roll back").click();
    const accept = sheet(page).getByLabel("Accept these losses");
    expect(await accept.isDisabled()).toBe(true);
    await radio(page, "Plan").click();
    await sheet(page).getByLabel("A roll back to Infisical").click();
    await submit(page, "Plan");
    await ended(page, "Migration: plan before roll back");
    await button(page, "Roll back").click();
    const losses = sheet(page).getByRole("list", { name: "What would be lost" });
    await losses.getByText("STRIPE_SECRET_KEY").waitFor();
    await accept.click();
    const back = sheet(page).getByRole("button", { name: "Roll back", exact: true });
    expect(await back.isDisabled()).toBe(true);
    await sheet(page).getByLabel("Type codewiser to go on").fill("codewiser");
    await back.click();
    await ended(page, "Migration: roll back to Infisical");
    await item(page, "codewiser").getByText("Database → Infisical, epoch 2 → 3").waitFor();
    expect(await storeOf("codewiser")).toBe("infisical");
    expect((await infisical.findSecret(folder, "STRIPE_SECRET_KEY"))?.value).toBe(newer);

    const download = page.waitForEvent("download");
    await button(page, "Download the report").click();
    const file = await readFile(await (await download).path(), "utf8");
    const report = verifyMigrationReport(file, await secrets.admin.shredding.publicKey(operator));
    expect(report).toMatchObject({ verb: "rollback", totals: { done: 1, blocked: 0, failed: 0 } });
    expect(page.url()).toContain(report.run);
    await page.getByRole("link", { name: "All migrations" }).click();
    const earlier = page.getByRole("table", { name: "Earlier migrations" });
    await earlier.getByRole("row", { name: /roll back to Infisical.*done/ }).waitFor();
    expect(await earlier.getByRole("row").count()).toBe(8);
  },
);

it("names of folders and secrets are text, whatever they are", async () => {
  const hostile = "<img src=x onerror=window.hacked=1>";
  await putByHand("acmecorp", hostile);
  await world.backends.infisical.createFolder("/tenants/of-no-company");
  const { page } = olga;
  // Behind the sheet the page has no heading for anybody.
  await page.goto(`${world.url}/platform/migrations?company=acmecorp&verb=plan`);
  await submit(page, "Plan");
  await ended(page, "Migration: plan before switch");
  await item(page, "acmecorp").getByText(hostile, { exact: true }).waitFor();
  await item(page, "acmecorp").getByText("No secret may have this name here.").waitFor();
  await page.getByRole("region", { name: "Folders without a company" }).getByText("of-no-company").waitFor();
  expect(await page.evaluate(() => Reflect.get(globalThis, "hacked"))).toBeUndefined();
  expect(await page.getByRole("main").locator("img").count()).toBe(0);
  await screenshot(page, "platform-migration-hostile-light-1280");
  await page.setViewportSize({ width: 360, height: 740 });
  await expectNoOverflow(page);
  await page.setViewportSize({ width: 1280, height: 720 });
});

it("a company's folder is made a mirror of its database, and its page says how far it is behind", async () => {
  const { page, open } = olga;
  await open("/platform/companies/acmecorp");
  const place = page.getByRole("region", { name: "Where its secrets are" });
  await place.getByRole("switch", { name: "Mirror the database in Infisical" }).click();
  await place
    .getByText("mirrored")
    .or(place.getByText(/mirror \d+ behind/))
    .waitFor();
  const asked = { company: "acmecorp", limit: 1 };
  const [store] = await world.backends.secrets.admin.migrations.status(operator, asked);
  expect(store).toMatchObject({ isMirrored: true });
  const [event] = await world.events("company.mirror");
  expect(event).toMatchObject({ outcome: "success", actorKind: "operator" });
});

it("by keys alone: companies are chosen, and a word is typed before the stores of all are changed", async () => {
  const { page, open } = olga;
  await open("/platform/migrations");
  await page.getByRole("checkbox", { name: "Choose acmecorp" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Space");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Space");
  await page.getByText("2 companies chosen").waitFor();
  await page.keyboard.press("n");
  await sheet(page).waitFor();
  expect(await sheet(page).getByLabel("Subdomains").inputValue()).toBe("acmecorp, another-company");
  for (const verb of ["Copy", "Verify", "Switch"]) {
    await page.keyboard.press("ArrowDown", asAFinger);
    await expect.poll(() => radio(page, verb).isChecked()).toBe(true);
  }
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown", asAFinger);
  const begin = sheet(page).getByRole("button", { name: "Switch", exact: true });
  const word = sheet(page).getByLabel("Type all to go on");
  expect(await begin.isDisabled()).toBe(true);
  await word.fill("al");
  await page.keyboard.press("Enter");
  expect(await begin.isDisabled()).toBe(true);
  await word.fill("all");
  expect(await begin.isDisabled()).toBe(false);
  await page.keyboard.press("Escape");
  await sheet(page).waitFor({ state: "hidden" });
  expect(new URL(page.url()).search).toBe("");
  expect(await storeOf("acmecorp")).toBe("hybrid");
});

it("the pages and the sheet fit a phone in dark, and axe finds nothing", async () => {
  const { page, open } = await world.signedIn(olga.person, {
    colorScheme: "dark",
    viewport: { width: 360, height: 740 },
  });
  await open("/platform/migrations");
  await page.getByRole("list", { name: "Earlier migrations" }).getByRole("link").last().click();
  await item(page, "codewiser").waitFor();
  await expectNoOverflow(page);
  await expectAccessible(page);
  await page.goto(`${world.url}/platform/migrations?company=codewiser&verb=cleanup`);
  await sheet(page).getByLabel("Type the number of copies that are removed").waitFor();
  await expectNoOverflow(page);
  await expectAccessible(page);
  await screenshot(page, "platform-migration-sheet-dark-360");
});

it("a person who is no operator gets no answer about migrations", async () => {
  const { page, open, watch } = await world.owner("acmecorp");
  await open("/platform/migrations");
  await page.getByRole("heading", { level: 1, name: "Not here, or not yours" }).waitFor();
  expect(await page.getByRole("link", { name: "Migrations" }).count()).toBe(0);
  const input = encodeURIComponent(JSON.stringify({ json: {} }));
  const answer = await page.evaluate(
    async (query) => (await fetch(`/trpc/migrations.status?input=${query}`)).text(),
    input,
  );
  expect(answer).toContain('"reason":"FORBIDDEN"');
  await expect.poll(() => watch.refused).toEqual(["/trpc/migrations.status"]);
  watch.refused.length = 0;
});

/** The dialog that asks for password and code. */
async function confirm(page: Page): Promise<void> {
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.getByLabel("Password").fill(olga.person.password);
  await dialog.getByLabel("Code").fill(await codeOf(olga.person.totpSecret ?? "", 1));
  await page.keyboard.press("Enter");
}

/** Puts a secret under a name that our client refuses, as a person in Infisical's pages can. */
async function putByHand(company: string, name: string): Promise<void> {
  const { siteUrl, clientId, clientSecret, projectId: workspaceId } = world.backends.emulator;
  const post = async (path: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(siteUrl + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  await world.backends.infisical.createFolder(`/tenants/${company}`);
  const signIn = await post("/api/v1/auth/universal-auth/login", { clientId, clientSecret });
  const token = /"accessToken":"([^"]+)"/.exec(await signIn.text())?.[1];
  const secret = { workspaceId, environment: "dev", secretPath: `/tenants/${company}`, type: "shared" };
  const answer = await post(
    `/api/v3/secrets/raw/${encodeURIComponent(name)}`,
    { ...secret, secretValue: "fake-value" },
    { authorization: `Bearer ${token}` },
  );
  expect(answer.status).toBe(200);
}
