import { operator } from "@repo/hono-api/testing";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { screenshot } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";

const current = "sk_test_fake_leaked_everywhere_0001";
const replaced = "sk_test_fake_leaked_long_ago_0001";

let world: World;
beforeAll(async () => {
  world = await createWorld();
  const acmecorp = (await world.client("acmecorp")).company("acmecorp");
  const another = (await world.client("another-company")).company("another-company");
  await acmecorp.set("CUSTOM_LEAKED", replaced);
  await acmecorp.set("CUSTOM_LEAKED", current);
  await another.set("CUSTOM_COPY", current);
});

it("an operator finds where a value is in use, and no page keeps the value", async () => {
  world.canary(current);
  const { page, open } = await world.operator();
  await open("/platform/search");
  const value = page.getByLabel("Value", { exact: true });
  await value.fill(`${current}\n`);
  await page.getByText("It ends with a line break, which counts.").waitFor();
  await page.getByRole("button", { name: "Remove the line break" }).click();
  await value.press("Enter");
  await page.getByRole("heading", { name: "Found 2 times" }).waitFor();
  await page.getByRole("row", { name: /acmecorp CUSTOM_LEAKED 2 Current version/ }).waitFor();
  await page.getByRole("row", { name: /another-company CUSTOM_COPY 1 Current version/ }).waitFor();
  await page.getByText("1 company – not searched: values in Infisical").waitFor();
  await page.getByText("1 company – searched in the database alone").waitFor();
  expect(await value.inputValue()).toBe("");
  expect(await page.evaluate(() => document.activeElement?.ariaLabel)).toBe("Result");
  await screenshot(page, "platform-search-light-1280");

  await value.fill(replaced);
  await page.getByRole("button", { name: "Search", exact: true }).click();
  await page.getByRole("heading", { name: "Found 1 time" }).waitFor();
  await page.getByRole("row", { name: /acmecorp CUSTOM_LEAKED 1 Earlier version/ }).waitFor();

  const searches = await world.events("secret.search");
  const events = searches.filter(({ actorId }) => actorId === searches[0]?.actorId);
  expect(events.every(({ outcome, actorKind }) => outcome === "success" && actorKind === "operator")).toBe(
    true,
  );
  // One for each search, and one for each match, in its company.
  expect(events.filter(({ companyId }) => companyId === null)).toHaveLength(2);
  const { id } = await world.backends.secrets.admin.companies.get(operator, "acmecorp");
  expect(events.filter(({ companyId }) => companyId === id).map(({ version }) => version)).toEqual([1, 2]);
});

it("a value that is not in use is said to be in none, and one that cannot be a value is not sent", async () => {
  const { page, open } = await world.operator();
  await open("/platform/search");
  const value = page.getByLabel("Value", { exact: true });
  await value.fill("x".repeat(65_537));
  await page.getByText("A value is at most 65536 bytes long; this one has 65537.").waitFor();
  await value.press("Enter");
  expect(await page.getByRole("button", { name: "Search", exact: true }).isDisabled()).toBe(true);
  await value.fill("sk_test_fake_of_no_company_0001");
  await value.press("Enter");
  await page.getByRole("heading", { name: "Nothing has this value" }).waitFor();
  await page.getByText("companies were searched: no secret has it").waitFor();
});

it("a search that needs a recent sign-in asks for it, and keeps the value until then", async () => {
  const olga = await world.operator({ confirmed: false, colorScheme: "dark" });
  const { page, open, person } = olga;
  await open("/platform/search");
  const value = page.getByLabel("Value", { exact: true });
  await value.fill(replaced);
  await value.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Searching for a value needs a recent sign-in.").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  expect(await value.inputValue()).toBe(replaced);
  await value.press("Enter");
  await dialog.getByLabel("Password").fill(person.password);
  await dialog.getByLabel("Code").fill(person.backupCodes[0] ?? "");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Found 1 time" }).waitFor();
  await expectAccessible(page);
  await page.setViewportSize({ width: 360, height: 740 });
  await expectNoOverflow(page);
  await screenshot(page, "platform-search-dark-360");
});

it("what was typed is gone when one leaves the page", async () => {
  const { page, open } = await world.operator();
  await open("/platform/search");
  await page.getByLabel("Value", { exact: true }).fill("sk_test_fake_typed_and_left_0001");
  await page.getByRole("link", { name: "Companies", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "Companies" }).waitFor();
  expect(page.url()).toBe(`${world.url}/platform/companies`);
  await page.goBack();
  await page.getByRole("heading", { level: 1, name: "Search by value" }).waitFor();
  expect(await page.getByLabel("Value", { exact: true }).inputValue()).toBe("");
});
