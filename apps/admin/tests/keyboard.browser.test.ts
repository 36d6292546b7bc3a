import { beforeAll, describe, expect, it } from "vitest";
import type { Page } from "playwright-core";
import { expectAccessible } from "./accessible.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const list = "/c/acmecorp/secrets";
const paletteOf = (page: Page) => page.getByRole("dialog", { name: "Go anywhere, do anything" });

describe("the palette", () => {
  it("T8 A person of two companies switches by ⌘K; the choice is in the URL and nowhere else.", async () => {
    const person = await world.person({ acmecorp: "admin", codewiser: "member" });
    const { page, open } = await world.signedIn(person);
    await open(list);
    await page.keyboard.press("Meta+k");
    await paletteOf(page).getByRole("combobox").fill("codew");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/c/codewiser/secrets");
    await page.getByRole("button", { name: "codewiser" }).waitFor();
    expect(await paletteOf(page).count()).toBe(0);
    const kept = await page.evaluate(() =>
      JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie]),
    );
    expect(kept).not.toContain("codewiser");
    const other = await page.context().newPage();
    await other.goto(world.url);
    await other.getByRole("heading", { level: 1, name: "Companies" }).waitFor();
  });

  it("finds a secret by its name, and looks at the list once", async () => {
    const { page, open, person } = await world.auditor("another-company");
    await open("/companies");
    await page.getByRole("link", { name: "another-company" }).click();
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await page.keyboard.press("Control+k");
    await paletteOf(page).getByRole("combobox").fill("stripe_sec");
    await paletteOf(page).getByRole("option", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL("**/c/another-company/secrets/STRIPE_SECRET_KEY");
    const looks = (await world.events("secret.list")).filter(({ actorId }) => actorId === person.userId);
    expect(looks).toHaveLength(1);
  });

  it("does what the page offers to this person, and axe finds nothing in it", async () => {
    const { page, open } = await world.admin("acmecorp");
    await open(list);
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await page.getByRole("button", { name: "Go to" }).click();
    await paletteOf(page).waitFor();
    await expectAccessible(page);
    await paletteOf(page).getByRole("combobox").fill("import");
    await paletteOf(page).getByRole("option", { name: "Import" }).click();
    await page.waitForURL("**/secrets/import");
    const lou = await world.auditor("acmecorp");
    await lou.open(list);
    await lou.page.keyboard.press("Control+k");
    await paletteOf(lou.page).getByRole("combobox").fill("import");
    await paletteOf(lou.page).getByText("Nothing is called that.").waitFor();
  });

  it("closes by Esc, and the focus is where it was", async () => {
    const { page, open } = await world.member("acmecorp");
    await open("/companies");
    const link = page.getByRole("link", { name: "acmecorp" });
    await link.focus();
    await page.keyboard.press("Control+k");
    await paletteOf(page).getByRole("combobox").waitFor();
    await page.keyboard.press("Escape");
    await paletteOf(page).waitFor({ state: "hidden" });
    await expect.poll(() => link.evaluate((element) => element === document.activeElement)).toBe(true);
  });
});

describe("single keys", () => {
  it("go to a place, list themselves, and are letters in a field", async () => {
    const { page, open } = await world.admin("acmecorp");
    await open("/c/acmecorp/secrets/import");
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await page.waitForURL(`**${list}`);
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await page.keyboard.press("/");
    const search = page.getByRole("searchbox");
    await expect.poll(() => search.evaluate((field) => field === document.activeElement)).toBe(true);
    await page.keyboard.press("n");
    expect(await search.inputValue()).toBe("n");
    await search.fill("");
    await search.blur();
    await page.keyboard.press("?");
    const dialog = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await dialog.getByText("Search on this page").waitFor();
    await page.keyboard.press("n");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    expect(page.url()).toBe(world.url + list);
    await page.keyboard.press("Control+k");
    await paletteOf(page).getByRole("combobox").pressSequentially("gs?n");
    expect(await paletteOf(page).getByRole("combobox").inputValue()).toBe("gs?n");
    await page.keyboard.press("Escape");
    await paletteOf(page).waitFor({ state: "hidden" });
    await page.keyboard.press("ArrowDown");
    const first = page.getByRole("table").getByRole("link").first();
    await expect.poll(() => first.evaluate((link) => link === document.activeElement)).toBe(true);
    await page.keyboard.press("n");
    await page.waitForURL("**/secrets/new");
  });

  it("do nothing where they are switched off; the palette stays", async () => {
    const { page, open } = await world.admin("acmecorp");
    await open("/companies");
    await page.keyboard.press("?");
    const dialog = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await dialog.getByRole("switch", { name: "Single keys do something in this browser" }).click();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    await page.reload();
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.keyboard.press("?");
    await page.keyboard.press("Control+k");
    await paletteOf(page).getByRole("combobox").waitFor();
    expect(await dialog.count()).toBe(0);
  });
});
