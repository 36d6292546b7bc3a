import type { Page } from "playwright-core";
import { codeOf } from "@repo/sign-in/authenticator-code";
import { beforeAll, describe, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { leaksIn } from "./watch.ts";
import { looks, screenshot } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";
import { canaryOf } from "@repo/hono-api/testing/canary";

const company = "another-company";
const secretKey = "CUSTOM_REVEALED";
const panel = `/c/${company}/secrets/${secretKey}`;
/** With what a copy must not change: two lines, blanks, and a line break at the end. */
let value: string;

let world: World;
beforeAll(async () => {
  world = await createWorld();
  value = world.canary("fake-value-to-reveal-4711");
  const { trpc } = await world.client(company);
  await trpc.secrets.write.mutate({ company, secretKey, value });
});

const shown = (page: Page) => page.locator("code", { hasText: value });
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });

async function reveal(page: Page): Promise<void> {
  await page.getByLabel("Purpose").selectOption("Debugging");
  await button(page, "Reveal").click();
  await shown(page).waitFor();
}

async function expectHidden(page: Page): Promise<void> {
  await shown(page).waitFor({ state: "detached" });
  expect(await leaksIn(page, [canaryOf(value)])).toEqual([]);
}

/** What is in the clipboard, pasted elsewhere: the app's pages may not read it. */
async function clipboard(page: Page): Promise<string> {
  const elsewhere = await page.context().newPage();
  await elsewhere.setContent("<textarea></textarea>");
  const field = elsewhere.getByRole("textbox");
  await field.focus();
  await elsewhere.keyboard.press("ControlOrMeta+V");
  const text = await field.inputValue();
  await elsewhere.close();
  return text;
}

describe("a value that is revealed", () => {
  it("T32 Reveals with a reason, for 30 seconds", async () => {
    const { page, open, person } = await world.admin(company);
    await page.clock.install();
    await open(panel);
    await button(page, "Reveal").click();
    await page.getByText("Choose one: it is in the audit log.").waitFor();
    expect(await page.getByLabel("Purpose").evaluate((field) => field === document.activeElement)).toBe(true);
    expect(await leaksIn(page, [canaryOf(value)])).toEqual([]);
    await reveal(page);
    const live = page.getByRole("status").filter({ hasText: "The value is shown for 30 seconds." });
    expect(await live.count()).toBe(1);
    expect((await page.getByRole("status").allTextContents()).join("")).not.toContain(value);
    // It is in the document while it is shown, and in no cache even then.
    const places = (await leaksIn(page, [canaryOf(value)])).map((leak) => leak.replace(/ \(.*/, ""));
    expect([...new Set(places)]).toEqual(["document"]);

    await page.clock.fastForward(29_000);
    expect(await shown(page).count()).toBe(1);
    await page.clock.fastForward(1500);
    await expectHidden(page);
    const events = (await world.events("secret.reveal")).filter(({ actorId }) => actorId === person.userId);
    expect(events).toEqual([expect.objectContaining({ secretKey, reason: "debugging", outcome: "success" })]);
    expect(await page.getByLabel("Purpose").inputValue()).toBe("debugging");
  });

  it("T33 Hidden again by Hide, Esc, leaving the route and the events of the page", async () => {
    const { page, open } = await world.admin(company);
    await page.clock.install();
    await open(panel);
    await reveal(page);
    await button(page, "Hide").click();
    await expectHidden(page);

    await reveal(page);
    await page.keyboard.press("Escape");
    await expectHidden(page);
    expect(page.url()).toBe(world.url + panel);

    await reveal(page);
    await page.getByRole("link", { name: "STRIPE_SECRET_KEY" }).click();
    await page.getByRole("complementary", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await expectHidden(page);
    await page.goBack();

    // A headless browser has no hidden tabs and keeps no pages: the events are made here.
    await reveal(page);
    await page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { get: () => "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
      Reflect.deleteProperty(document, "visibilityState");
    });
    await expectHidden(page);

    await reveal(page);
    await page.evaluate(() => {
      dispatchEvent(new Event("pagehide"));
      // At once: the browser may keep the page as it is in this moment.
      if (document.querySelector("code") !== null) throw new Error("It is still there.");
    });
    await expectHidden(page);

    await reveal(page);
    await page.evaluate(() => dispatchEvent(new Event("blur")));
    await page.clock.fastForward(9000);
    expect(await shown(page).count()).toBe(1);
    await page.clock.fastForward(1500);
    await expectHidden(page);
  });

  it("T33 Hidden again by a session that ends, and by a sign-out in another tab", async () => {
    const { page, open, person } = await world.admin(company);
    await page.clock.install();
    await open(panel);
    await reveal(page);
    await world.leaveIdle(person, 0);
    // The page asks for the stamp, and hears that the session is over.
    await page.clock.fastForward(21_000);
    await page.getByRole("dialog", { name: "The session has ended" }).waitFor();
    await expectHidden(page);

    const second = await world.admin(company);
    await second.open(panel);
    await reveal(second.page);
    const other = await second.page.context().newPage();
    await other.goto(`${world.url}/companies`);
    await other.getByRole("button", { name: "pat-" }).click();
    await other.getByRole("menuitem", { name: "Sign out" }).click();
    await expectHidden(second.page);
  });

  it("T38 Print view and a saved page hold no value", async () => {
    const { page, open } = await world.admin(company);
    await open(panel);
    const devtools = await page.context().newCDPSession(page);
    const saved = async () => (await devtools.send("Page.captureSnapshot")).data.replaceAll("=\r\n", "");
    await reveal(page);
    expect(await saved()).toContain(value);
    await page.emulateMedia({ media: "print" });
    expect(await shown(page).isVisible()).toBe(false);
    await page.emulateMedia({ media: "screen" });
    expect(await shown(page).isVisible()).toBe(true);
    await page.keyboard.press("ControlOrMeta+s");
    expect(await saved()).not.toContain(value);
    await reveal(page);
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    await expectHidden(page);
  });
});

describe("a value that is copied", () => {
  it("T34 Copies without showing: the clipboard has the exact value, the document never had it", async () => {
    const exact = world.canary("fake-copied \tvalue zq7x");
    const text = `\n${exact}\n second line \n`;
    const { trpc } = await world.client(company);
    await trpc.secrets.write.mutate({ company, secretKey: "CUSTOM_COPIED", value: text });
    const { page, open, person } = await world.admin(company);
    await page.clock.install();
    await page.addInitScript(() => {
      const seen: string[] = [];
      Reflect.set(globalThis, "seenInDocument", seen);
      const look = new MutationObserver((changes) => {
        for (const { target, addedNodes } of changes) {
          for (const node of [target, ...addedNodes]) seen.push(node.textContent ?? "");
        }
      });
      look.observe(document, { subtree: true, childList: true, characterData: true });
    });
    await open(`/c/${company}/secrets/CUSTOM_COPIED`);
    await page.getByLabel("Purpose").selectOption("Set-up");
    await button(page, "Copy").click();
    await page.getByText("Copied.").waitFor();
    expect(await clipboard(page)).toBe(text);
    const seen = await page.evaluate(() => JSON.stringify(Reflect.get(globalThis, "seenInDocument")));
    expect(seen).toContain("Copied.");
    expect(seen).not.toContain("zq7x");
    const events = (await world.events("secret.reveal")).filter(({ actorId }) => actorId === person.userId);
    expect(events).toEqual([expect.objectContaining({ secretKey: "CUSTOM_COPIED", reason: "set-up" })]);

    await page.getByRole("button", { name: /^Clear now \(\d+ s\)$/ }).click();
    await page.getByText("Copied.").waitFor({ state: "detached" });
    expect(await clipboard(page)).toBe("");

    // By itself, where the page was not left.
    await button(page, "Copy").click();
    await page.getByText("Copied.").waitFor();
    await page.clock.fastForward(30_500);
    await page.getByText("Copied.").waitFor({ state: "detached" });
    expect(await clipboard(page)).toBe("");

    await button(page, "Copy").click();
    await page.getByText("Copied.").waitFor();
    await page.evaluate(() => dispatchEvent(new Event("blur")));
    await page.clock.fastForward(30_500);
    await page.getByText("It may still be in the clipboard.").waitFor();
    expect(await clipboard(page)).toBe(text);
    await button(page, "Clear now").click();
    await expect.poll(() => clipboard(page)).toBe("");
  });
});

describe("a value that is not shown", () => {
  it("T35 A write-only entry offers neither and says what to do instead", async () => {
    const { trpc } = await world.client(company);
    const writeOnly = "STRIPE_WEBHOOK_SECRET";
    const never = world.canary("whsec_fake_never_shown_0001");
    await trpc.secrets.write.mutate({ company, secretKey: writeOnly, value: never });
    const { page, open, watch } = await world.admin(company);
    await open(`/c/${company}/secrets/${writeOnly}`);
    await page.getByText("To know it, look at its provider; to change it, replace it.").waitFor();
    expect(await page.getByRole("button", { name: /^(Reveal|Copy)$/ }).count()).toBe(0);
    expect(await page.getByRole("link", { name: "Where its provider has it" }).getAttribute("href")).toMatch(
      /^https:\/\/docs\.stripe\.com\//,
    );
    expect(await button(page, "Replace value").count()).toBe(1);
    expect(watch.refused).toEqual([]);
  });

  it("T36 Step-up expired: the dialog, then it is shown; wrong twice: nothing shown, nothing lost", async () => {
    const { page, open, person } = await world.admin(company, { confirmed: false });
    await open(panel);
    await page.getByLabel("Purpose").selectOption("Incident");
    await button(page, "Reveal").click();
    const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
    await dialog.getByText("Revealing needs a recent sign-in.").waitFor();
    for (const wrong of ["wrong once", "wrong twice"]) {
      await dialog.getByLabel("Password").fill(wrong);
      await dialog.getByLabel("Code").fill(await codeOf(person.totpSecret ?? "", 1));
      await dialog.getByRole("button", { name: "Confirm" }).click();
      await dialog.getByRole("alert").waitFor();
      expect(await shown(page).count()).toBe(0);
    }
    await dialog.getByRole("button", { name: "Close" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(await page.getByLabel("Purpose").inputValue()).toBe("incident");
    expect(await page.getByRole("alert").count()).toBe(0);

    await button(page, "Reveal").click();
    await dialog.getByLabel("Password").fill(person.password);
    await dialog.getByLabel("Code").fill(person.backupCodes[0] ?? "");
    await dialog.getByRole("button", { name: "Confirm" }).click();
    await shown(page).waitFor();
    await page.keyboard.press("Escape");
    await expectHidden(page);
  });

  it("T37 60 reveals in a minute: told when again", async () => {
    const { page, open } = await world.admin(company);
    await open(panel);
    await page.evaluate(
      async (input) => {
        const body = JSON.stringify({ json: input });
        const headers = { "content-type": "application/json" };
        const one = () => fetch("/trpc/secrets.reveal", { method: "POST", headers, body });
        for (let sent = 0; sent < 60; sent += 10) await Promise.all(Array.from({ length: 10 }, one));
      },
      { company, secretKey, purpose: "debugging" },
    );
    await page.getByLabel("Purpose").selectOption("Debugging");
    await button(page, "Reveal").click();
    const notice = page.getByRole("alert");
    await notice.getByText("Too many requests", { exact: true }).waitFor();
    const again = notice.getByRole("button", { name: /^Try again in \d+ s$/ });
    expect(await again.isDisabled()).toBe(true);
    expect(await shown(page).count()).toBe(0);
  });

  it("T15 A member can add and replace and is told, where Reveal would be, who can", async () => {
    const { page, open, person, watch } = await world.member(company);
    await open(panel);
    await page.getByText("Owners and admins can reveal it.").waitFor();
    expect(await page.getByRole("button", { name: /^(Reveal|Copy)$/ }).count()).toBe(0);
    expect(await page.getByRole("link", { name: "Add secret" }).count()).toBe(1);
    const replaced = world.canary("fake-replaced-by-member-0002");
    await open(`/c/${company}/secrets/STRIPE_SECRET_KEY`);
    await button(page, "Replace value").click();
    await page.getByLabel("New value", { exact: true }).fill(`sk_test_${replaced.replaceAll("-", "_")}`);
    await page.getByRole("button", { name: /^Save as version \d+$/ }).click();
    await button(page, "Replace value").waitFor();
    const [event] = await world.events("secret.write");
    expect(event).toMatchObject({
      actorId: person.userId,
      secretKey: "STRIPE_SECRET_KEY",
      outcome: "success",
    });
    expect(watch.refused).toEqual([]);
  });
});

it.each(looks)("a shown value fits in %s, and moves nothing", async (look, options) => {
  const { page, open } = await world.admin(company, options);
  await open(panel);
  await page.getByLabel("Purpose").selectOption("Debugging");
  const before = await button(page, "Reveal").boundingBox();
  const facts = await page.getByText("Last used").last().boundingBox();
  await reveal(page);
  expect(await button(page, "Hide").boundingBox()).toEqual(before);
  expect(await page.getByText("Last used").last().boundingBox()).toEqual(facts);
  await expectAccessible(page);
  await expectNoOverflow(page);
  await screenshot(page, `reveal-${look}`);
  await button(page, "Copy").click();
  await page.getByText("Copied.").waitFor();
  await screenshot(page, `reveal-copied-${look}`);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /^Clear now/ }).click();
});
