import { readFile } from "node:fs/promises";
import { operator } from "@repo/hono-api/testing";
import type { Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { screenshot } from "./looks.ts";
import { createWorld, expectNoOverflow, type PersonAtPage, type World } from "./world.ts";

const address = "/platform/audit-log";

let world: World;
let olga: PersonAtPage;
beforeAll(async () => {
  world = await createWorld();
  for (const company of ["acmecorp", "another-company"] as const) {
    const secrets = (await world.client(company)).company(company);
    await secrets.set("CUSTOM_FAKE", "fake_custom_0001");
    await secrets.set("CUSTOM_FAKE", "fake_custom_0002");
  }
  olga = await world.operator();
});

const rows = (page: Page) => page.getByRole("table", { name: "Events" }).getByRole("row");

it("an operator sees the events of all companies, and narrows them to one", async () => {
  const { audit } = world.backends.secrets.admin;
  const now = Date.now();
  await expect
    .poll(async () => Number((await audit.proof(operator, {})).sealed?.at ?? 0), { timeout: 60_000 })
    .toBeGreaterThan(now + 1000);
  const changesIn = async (company?: string): Promise<RegExp> => {
    const span = { from: new Date(now - 86_400_000), to: new Date(now + 3_600_000), by: "day" } as const;
    const { buckets } = await audit.summary(operator, { company, ...span });
    return new RegExp(`^${buckets.reduce((sum, { changes }) => sum + changes, 0)} changes$`);
  };
  const { page, open } = olga;
  await open(address);
  const [ofAll, ofOne] = [await changesIn(), await changesIn("another-company")];
  expect(ofAll).not.toEqual(ofOne);
  await page.getByRole("button", { name: ofAll }).click();
  await rows(page).filter({ hasText: "another-company" }).first().waitFor();
  expect(
    await rows(page)
      .filter({ hasText: /acmecorp[^]*Write a value[^]*CUSTOM_FAKE/ })
      .count(),
  ).toBe(2);
  expect(
    await rows(page)
      .filter({ hasText: /another-company[^]*Write a value[^]*CUSTOM_FAKE/ })
      .count(),
  ).toBe(2);
  await page.getByText("Of all companies together.").waitFor();
  await screenshot(page, "platform-audit-log-light-1280");

  await page.getByRole("button", { name: "Company", exact: true }).click();
  await page.getByRole("button", { name: "another-company", exact: true }).click();
  await page.getByRole("button", { name: ofOne }).waitFor();
  await rows(page).filter({ hasText: "acmecorp" }).first().waitFor({ state: "detached" });
  expect(new URL(page.url()).searchParams.get("company")).toBe("another-company");
  expect(await page.getByText("Of all companies together.").count()).toBe(0);

  await page.getByRole("button", { name: "Clear filters" }).click();
  await page.getByRole("button", { name: ofAll }).waitFor();
  await rows(page)
    .filter({ hasText: "acmecorp" })
    .getByRole("button", { name: "Write a value" })
    .first()
    .click();
  await page.getByRole("dialog").getByRole("button", { name: "Only this company" }).click();
  await page.waitForURL(/company=acmecorp/);
});

it("events of no company are in the list, and their company is empty", async () => {
  const { page, open } = olga;
  await open(`${address}?action=company.list`);
  const cells = rows(page).filter({ hasText: "List the companies" }).first().getByRole("cell");
  await cells.nth(1).waitFor();
  expect(await cells.nth(1).innerText()).toBe("–");
});

it("an export is of the company that is chosen", async () => {
  const { page, open } = olga;
  await open(address);
  await page.getByRole("button", { name: "Export…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Company").selectOption("another-company");
  const download = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Download" }).click();
  const file = await download;
  expect(file.suggestedFilename()).toMatch(/^audit-log-another-company-/);
  const lines = (await readFile(await file.path(), "utf8")).trim().split("\n");
  const { id } = await world.backends.secrets.admin.companies.get(operator, "another-company");
  const ofEvents = lines.filter((line) => line.startsWith('{"event":'));
  expect(ofEvents.length).toBeGreaterThan(0);
  expect(ofEvents.every((line) => line.includes(id))).toBe(true);
  const [exported] = await world.events("audit.export");
  expect(exported).toMatchObject({ companyId: id, actorKind: "operator", outcome: "success" });
});

it("an operator has the audit log verified, and the page tells the outcome", async () => {
  const { page, open } = olga;
  await open(address);
  await page.getByText("Not verified yet.").waitFor();
  await page.getByRole("button", { name: "Verify now" }).click();
  await page.getByText("The verification runs in the background").first().waitFor();
  await expect
    .poll(async () => (await world.events("audit.verify")).map(({ outcome }) => outcome), { timeout: 60_000 })
    .toContain("success");
  await page.getByRole("button", { name: "Look for newer events" }).click();
  await page.getByText(/Verified[^]*all well\./).waitFor();
});

it("the audit log of the platform fits a phone in dark, and axe finds nothing", async () => {
  const { page, open } = await world.signedIn(olga.person, {
    colorScheme: "dark",
    viewport: { width: 360, height: 740 },
  });
  await open(address);
  await page.getByRole("list", { name: "Events" }).waitFor();
  await expectNoOverflow(page);
  await expectAccessible(page);
  await screenshot(page, "platform-audit-log-dark-360");
});
