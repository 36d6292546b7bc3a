import { codeOf } from "@repo/sign-in/authenticator-code";
import type { Locator, Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import type { Person } from "./people.ts";
import { createWorld, type World } from "./world.ts";

const company = "another-company";
const secretKey = "CUSTOM_WALK";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const panel = (page: Page): Locator => page.getByRole("complementary", { name: secretKey });
/** The link of a row. */
const row = (page: Page, name = secretKey): Locator => page.locator(`[data-secret=${name}]`);
const link = (page: Page, name: string): Locator => page.getByRole("link", { name, exact: true });
const button = (page: Page, name: string | RegExp): Locator =>
  page.getByRole("button", { name, exact: true });

/** Presses a key until something has the focus. What no number of presses reaches fails. */
async function reach(page: Page, target: Locator, key = "Tab"): Promise<void> {
  await target.waitFor();
  for (let presses = 0; presses < 120; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${key} does not reach ${String(target)}.`);
}

async function push(page: Page, target: Locator, key = "Tab"): Promise<void> {
  await reach(page, target, key);
  await page.keyboard.press("Enter");
}

async function hasFocus(target: Locator): Promise<void> {
  await target.waitFor();
  await expect
    .poll(() => target.evaluate((element) => element === document.activeElement), { timeout: 60_000 })
    .toBe(true);
}

/** Chooses in the menu of the row that has the focus, which `.` opens. */
async function choose(page: Page, act: string): Promise<void> {
  await page.keyboard.press(".");
  await push(page, page.getByRole("menuitem", { name: act, exact: true }), "ArrowDown");
}

async function go(page: Page, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
}

async function says(page: Page, text: string | RegExp): Promise<void> {
  await page.getByText(text).first().waitFor();
}

/** What a person pastes into another window. */
async function clipboard(page: Page): Promise<string> {
  const other = await page.context().newPage();
  await other.setContent("<textarea autofocus></textarea>");
  await other.locator("textarea").focus();
  await other.keyboard.press("ControlOrMeta+V");
  const text = await other.locator("textarea").inputValue();
  await other.close();
  return text;
}

async function valueOf(): Promise<string> {
  const { trpc } = await world.client(company);
  return (await trpc.secrets.read.mutate({ company, secretKey })).value;
}

/** T12, T13 and the expiry: finds, sorts, and goes from row to row. */
async function list(page: Page): Promise<void> {
  await go(page, "g", "s");
  await row(page).waitFor();
  await go(page, "/");
  await page.keyboard.type("nothing has this");
  await push(page, button(page, "Clear search and filters"));
  await row(page).waitFor();
  await push(page, button(page, "Expires"));
  await page.locator("th[aria-sort=ascending]").waitFor();
  await reach(page, row(page));
  await page.keyboard.press("ArrowDown");
  await hasFocus(row(page, "STRIPE_SECRET_KEY"));
  await page.keyboard.press("ArrowUp");
  await hasFocus(row(page));
  await choose(page, "Set expiry…");
  await hasFocus(page.getByLabel("Expires on"));
  await page.keyboard.type("05052031");
  await page.keyboard.press("Enter");
  await says(page, "(5 May)");
  await hasFocus(button(page, `Actions for ${secretKey}`));
}

/** T32 to T36: `v` reveals and hides, `c` copies, Esc hides; once the person has confirmed who they are. */
async function reveal(page: Page, { password, totpSecret }: Person, value: string): Promise<void> {
  await reach(page, row(page), "Shift+Tab");
  await page.keyboard.press("Enter");
  await panel(page).waitFor();
  await go(page, "v");
  await hasFocus(panel(page).getByLabel("Purpose"));
  await page.keyboard.type("Inc");
  expect(await panel(page).getByLabel("Purpose").inputValue()).toBe("incident");
  await push(page, panel(page).getByRole("button", { name: "Reveal" }));
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  await reach(page, dialog.getByLabel("Password"));
  await page.keyboard.type(password);
  await reach(page, dialog.getByLabel("Code"));
  await page.keyboard.type(await codeOf(totpSecret ?? "", 1));
  await page.keyboard.press("Enter");
  const shown = panel(page).getByText(value, { exact: true });
  await shown.waitFor();
  await go(page, "v");
  await shown.waitFor({ state: "detached" });
  await go(page, "v");
  await shown.waitFor();
  await go(page, "Escape");
  await shown.waitFor({ state: "detached" });
  await panel(page).waitFor();
  await go(page, "c");
  await says(page, "Copied.");
  expect(await clipboard(page)).toBe(value);
  await push(page, button(page, /^Clear now/));
}

/** T19, T26 and T28: replaces, meets another's change, stages, promotes, and discards. */
async function replace(page: Page): Promise<void> {
  const field = page.getByLabel("New value", { exact: true });
  const type = async (value: string): Promise<void> => {
    await push(page, button(page, "Replace value"));
    await hasFocus(field);
    await page.keyboard.type(world.canary(value));
  };
  await type("fake-of-the-walk-replaced-0002");
  await page.keyboard.press("ControlOrMeta+Enter");
  await says(page, `${secretKey} was saved as version 2`);
  await type("fake-of-the-walk-mine-0004");
  const { trpc } = await world.client(company);
  await trpc.secrets.write.mutate({ company, secretKey, value: "fake-of-the-walk-theirs-0003" });
  await page.keyboard.press("ControlOrMeta+Enter");
  await push(page, button(page, "Save mine as version 4"));
  await says(page, `${secretKey} was saved as version 4`);
  expect(await valueOf()).toBe("fake-of-the-walk-mine-0004");

  const stage = async (value: string): Promise<void> => {
    await type(value);
    await reach(page, page.getByLabel("Stage for later"));
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter");
    await push(page, button(page, /^Stage as version \d$/));
  };
  await stage("fake-of-the-walk-staged-0005");
  await push(page, button(page, "Promote version 5"));
  await reach(page, page.getByLabel("Keep version 4 valid"), "Shift+Tab");
  await page.keyboard.type("For 1");
  await push(page, button(page, "Make version 5 current"));
  await says(page, `Version 5 of ${secretKey} is current`);
  await stage("fake-of-the-walk-staged-0006");
  await push(page, button(page, "Discard it"));
  await push(page, button(page, "Discard version 6"));
  await says(page, `Version 6 of ${secretKey} was discarded`);
}

/** T39 to T41: rolls back, removes, undoes, restores, destroys. */
async function takeBack(page: Page): Promise<void> {
  await reach(page, page.getByRole("tab", { name: "Now" }), "Shift+Tab");
  await page.keyboard.press("ArrowRight");
  await push(page, button(page, "Roll back to this").first());
  await reach(page, page.getByRole("dialog").getByLabel("Note"));
  await page.keyboard.type("By keyboard alone");
  await page.keyboard.press("Enter");
  await page.getByRole("listitem", { name: "Version 7", exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await hasFocus(row(page));
  const remove = async (): Promise<void> => {
    await choose(page, "Remove…");
    await push(page, button(page, `Remove ${secretKey}`));
    await says(page, `${secretKey} was removed`);
    await row(page).waitFor({ state: "detached" });
  };
  await remove();
  await page.keyboard.press("F8");
  await push(page, button(page, "Undo"));
  await says(page, `${secretKey} is back, as version 7`);
  await reach(page, row(page));
  await remove();
  await push(page, link(page, "Removed secrets"));
  await push(page, button(page, `Restore ${secretKey}`));
  await says(page, `${secretKey} is back, as version 7`);
  const { trpc } = await world.client(company);
  await trpc.secrets.remove.mutate({ company, secretKey });
  await go(page, "g", "s");
  await push(page, link(page, "Removed secrets"));
  await push(page, button(page, `Destroy now: ${secretKey}`));
  await reach(page, page.getByLabel(`Type ${secretKey} to go on`));
  await page.keyboard.type(secretKey);
  await page.keyboard.press("Enter");
  await says(page, `The values of ${secretKey} are destroyed`);
}

/** T22, T27, T29 and T31: adds, generates, imports, exports. */
async function add(page: Page): Promise<void> {
  await go(page, "g", "s");
  await row(page, "STRIPE_SECRET_KEY").waitFor();
  await push(page, button(page, "Export"), "Shift+Tab");
  const dialog = page.getByRole("dialog");
  await reach(page, dialog.getByRole("radio", { name: "Encrypted" }));
  await page.keyboard.press("ArrowDown");
  await reach(page, dialog.getByLabel("Purpose"));
  await page.keyboard.type("Set");
  const download = page.waitForEvent("download");
  await push(page, dialog.getByRole("button", { name: "Download" }));
  expect((await download).suggestedFilename()).toBe(`${company}-secrets.env`);
  await push(page, dialog.getByRole("button", { name: "Close" }).first());
  await dialog.waitFor({ state: "detached" });

  await go(page, "n");
  await reach(page, page.getByLabel("Secret key"));
  await page.keyboard.type("WEBHOOK_SIGNING_SECRET");
  await page.keyboard.press("Enter");
  await push(page, button(page, "Generate a value instead"));
  await push(page, button(page, "Generate, and add secret"));
  await says(page, "WEBHOOK_SIGNING_SECRET was saved as version 1");

  await go(page, "n");
  await reach(page, page.getByLabel("Secret key"));
  await page.keyboard.type("CUSTOM_WALKED_TO");
  await page.keyboard.press("Enter");
  await hasFocus(page.getByLabel("Value", { exact: true }));
  await page.keyboard.type(world.canary("fake-with-an-end-of-a-line-0001"));
  await page.keyboard.press("Enter");
  await push(page, button(page, "Remove it"));
  await push(page, button(page, "Add secret"));
  await says(page, "CUSTOM_WALKED_TO was saved as version 1");

  await go(page, "g", "s");
  await push(page, link(page, "Import"), "Shift+Tab");
  await reach(page, page.getByLabel("Contents of a .env or JSON file"));
  await page.keyboard.type("CUSTOM_A=fake-imported-0001");
  await page.keyboard.press("ControlOrMeta+Enter");
  await push(page, button(page, "Write 1 secret"));
  await says(page, "1 secret written");
}

/** T17, T43 and the other places: by the palette, and by `g` and a letter. */
async function elsewhere(page: Page): Promise<void> {
  for (const [keys, title] of [
    ["a", "Audit log"],
    ["p", "People"],
    ["k", "API keys"],
  ] as const) {
    await go(page, "g", keys);
    await page.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();
  }
  await go(page, "?");
  const item = page.getByRole("dialog").getByRole("listitem").filter({ hasText: "Audit log" });
  await item.waitFor();
  expect(await item.locator("kbd").allInnerTexts()).toEqual(["g", "a"]);
  await go(page, "Escape");
  const switchTo = async (other: string): Promise<void> => {
    await page.keyboard.press("Control+k");
    await hasFocus(page.getByRole("combobox"));
    await page.keyboard.type(other);
    await page.getByRole("option", { name: other }).waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL(`**/c/${other}/secrets`);
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
  };
  await switchTo("acmecorp");
  await reach(page, page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).getByText("Database"));
  await page.getByRole("tooltip").getByText("In the database of this product").waitFor();
  await switchTo("codewiser");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press(".");
  const history = page.getByRole("menuitem", { name: "History: not in Infisical" });
  expect(await history.getAttribute("aria-disabled")).toBe("true");
}

it("T68 What T12 to T43 do is done by keyboard alone", async () => {
  const value = world.canary("fake-of-the-walk-first-0001");
  const { trpc } = await world.client(company);
  await trpc.secrets.write.mutate({ company, secretKey, value });
  const person = await world.person({ [company]: "admin", acmecorp: "member", codewiser: "member" });
  const { page, open } = await world.signedIn(person, { confirmed: false });
  await page.addInitScript(() => {
    let presses = 0;
    for (const name of ["pointerdown", "mousedown", "touchstart"]) {
      addEventListener(name, () => (presses += 1), { capture: true });
    }
    Reflect.set(globalThis, "pointerPresses", () => presses);
  });
  await open(`/c/${company}/audit-log`);
  await list(page);
  await reveal(page, person, value);
  await replace(page);
  await takeBack(page);
  await add(page);
  await elsewhere(page);
  expect(await page.evaluate(() => Reflect.get(globalThis, "pointerPresses")())).toBe(0);
  const actions = (await world.events())
    .filter(({ actorId, outcome }) => actorId === person.userId && outcome === "success")
    .map(({ action }) => action);
  expect(actions).toEqual(expect.arrayContaining(["secret.purge", "secret.export", "secret.discard"]));
  const { secrets } = await trpc.secrets.list.query({ company });
  expect(secrets.map((secret) => secret.secretKey)).toEqual(
    expect.arrayContaining(["CUSTOM_A", "CUSTOM_WALKED_TO", "WEBHOOK_SIGNING_SECRET"]),
  );
}, 600_000);
