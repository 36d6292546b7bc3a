import { codeOf } from "@repo/sign-in/authenticator-code";
import type { Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import type { Person } from "./people.ts";
import { looks, screenshot } from "./looks.ts";
import { addAuthenticator, createWorld, expectNoOverflow, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

/** Who the API says that the person of a page is. */
const me = (page: Page) =>
  page.evaluate(async () => (await (await fetch("/trpc/me.get")).json()).result?.data.json ?? "signed out");

const dialogOf = (page: Page, name: string | RegExp) => page.getByRole("dialog", { name });

/** Confirms with password and the app's next code: the one of now may be spent. */
async function confirm(page: Page, person: Person): Promise<void> {
  const dialog = dialogOf(page, "Confirm that it is you");
  await dialog.getByLabel("Password").fill(person.password);
  await dialog.getByLabel("Code").fill(await codeOf(person.totpSecret ?? "", 1));
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
}

/** In another browser, with the first backup code. */
async function signIn({ email, password, backupCodes }: Person): Promise<void> {
  const { page, open } = await world.visitor();
  await open("/sign-in");
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Use a backup code" }).click();
  await page.getByLabel("Backup code").fill(backupCodes[0] ?? "");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Secrets", exact: true }).waitFor();
}

const section = (page: Page, name: string) => page.getByRole("region", { name });

it("T9 Ends another session in the list", async () => {
  const pat = await world.person({ acmecorp: "admin" });
  const here = await world.signedIn(pat);
  const elsewhere = await world.signedIn(pat);
  await elsewhere.open("/account");
  await elsewhere.page.getByLabel("Name", { exact: true }).fill("Pat of the draft");

  await here.open("/account");
  await world.unconfirm(pat);
  const sessions = section(here.page, "Sessions").getByRole("listitem");
  const others = sessions.filter({ hasNotText: "this browser" });
  await others.getByRole("button", { name: "End" }).click();
  await here.page.getByText("Ending a session needs a recent sign-in.").waitFor();
  await confirm(here.page, pat);
  await expect.poll(() => sessions.count()).toBe(1);
  const [ended] = await world.events("session.end");
  expect(ended).toMatchObject({ outcome: "success", actorId: pat.userId });

  await elsewhere.page.getByRole("button", { name: "Save the name" }).click();
  const again = dialogOf(elsewhere.page, "The session has ended");
  await again.getByLabel("Password").fill(pat.password);
  await elsewhere.page.keyboard.press("Enter");
  await again.getByRole("button", { name: "Use a backup code" }).click();
  await again.getByLabel("Backup code").fill(pat.backupCodes[0] ?? "");
  await elsewhere.page.keyboard.press("Enter");
  await again.waitFor({ state: "hidden" });
  expect(await elsewhere.page.getByLabel("Name", { exact: true }).inputValue()).toBe("Pat of the draft");
  await elsewhere.page.getByRole("button", { name: "Save the name" }).click();
  await elsewhere.page.getByText("Name saved").first().waitFor();
  expect(await me(elsewhere.page)).toMatchObject({ name: "Pat of the draft" });
});

it("T10 Changes the password, with a confirmation; the other sessions end", async () => {
  const pat = await world.person({ acmecorp: "admin" });
  const elsewhere = await world.signedIn(pat);
  await elsewhere.open("/companies");
  const { page, open } = await world.signedIn(pat);
  await open("/account");
  await world.unconfirm(pat);
  await page.getByLabel("New password").fill("passwordpassword");
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("A new password needs a recent sign-in.").waitFor();
  await confirm(page, pat);
  await page.getByText("it is on a list of common ones").waitFor();
  await page.getByLabel("New password").fill("five other words for pat");
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("Password changed. Your other sessions have ended.").first().waitFor();
  expect(await page.getByLabel("New password").inputValue()).toBe("");
  expect(await me(page)).toMatchObject({ email: pat.email });
  expect(await me(elsewhere.page)).toBe("signed out");
  await signIn({ ...pat, password: "five other words for pat" });
});

it("T10 Adds a passkey, confirms with it, renames and removes it", async () => {
  const pat = await world.person({ acmecorp: "admin" });
  const { page, open } = await world.signedIn(pat);
  await addAuthenticator(page);
  await open("/account");
  await world.unconfirm(pat);
  const factors = section(page, "Second factor");
  await factors.getByRole("button", { name: "Add a passkey" }).click();
  const adding = dialogOf(page, "Add a passkey");
  await adding.getByLabel("Name").fill("Work laptop");
  await adding.getByRole("button", { name: "Create the passkey" }).click();
  await page.getByText("Adding a passkey needs a recent sign-in.").waitFor();
  await confirm(page, pat);
  await factors.getByText("Work laptop").waitFor();
  expect(await me(page)).toMatchObject({ factors: { totp: true, passkeys: 1 } });

  await world.unconfirm(pat);
  await factors.getByRole("button", { name: "Rename Work laptop" }).click();
  await dialogOf(page, "Rename the passkey").getByLabel("Name").fill("Laptop at home");
  await page.keyboard.press("Enter");
  await dialogOf(page, "Confirm that it is you").getByRole("button", { name: "Use a passkey" }).click();
  await factors.getByText("Laptop at home").waitFor();
  await factors.getByText("last used").waitFor();

  await factors.getByRole("button", { name: "Remove Laptop at home" }).click();
  await page.getByRole("button", { name: "Remove the passkey" }).click();
  // An open dialog hides the page from roles, and with it what is not removed yet.
  await page.getByRole("alertdialog").waitFor({ state: "hidden" });
  await factors.getByText("Laptop at home").waitFor({ state: "hidden" });
  expect(await me(page)).toMatchObject({ factors: { totp: true, passkeys: 0 } });
});

it("T10 Renews the backup codes, which a wrong confirmation does not", async () => {
  const pat = await world.person({ acmecorp: "admin" });
  const { page, open } = await world.signedIn(pat);
  await open("/account");
  await world.unconfirm(pat);
  const factors = section(page, "Second factor");
  await factors.getByText("9 of 10 left").waitFor();
  await factors.getByRole("button", { name: "Renew" }).click();
  await page.getByRole("button", { name: "Renew the codes" }).click();
  await page.getByText("New backup codes need a recent sign-in.").waitFor();
  const dialog = dialogOf(page, "Confirm that it is you");
  await dialog.getByLabel("Password").fill("not the password of pat");
  await dialog.getByLabel("Code").fill("000000");
  await page.keyboard.press("Enter");
  await dialog.getByText("That was not right.").waitFor();
  const renewals = await world.events("factor.renew-backup-codes");
  expect(renewals.map(({ reason }) => reason)).toEqual(["CONFIRMATION_REQUIRED"]);
  await confirm(page, pat);
  const codes = page.getByRole("list", { name: "Backup codes" }).getByRole("listitem");
  await codes.first().waitFor();
  const shown = await codes.allTextContents();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download" }).click();
  expect((await download).suggestedFilename()).toBe("tenant-secrets-backup-codes.txt");
  await page.getByRole("button", { name: "I kept them" }).click();
  await factors.getByText("10 of 10 left").waitFor();
  expect(await page.content()).not.toContain(shown[0] ?? "none");
  await signIn({ ...pat, backupCodes: shown });
});

it("T10 Removes the authenticator app of a member and adds another", async () => {
  const pat = await world.person({ acmecorp: "member" }, { enrolled: true });
  const { page, open } = await world.signedIn(pat);
  await open("/account");
  const factors = section(page, "Second factor");
  await factors.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("button", { name: "Remove the app" }).click();
  await factors.getByRole("button", { name: "Add", exact: true }).click();
  expect(await me(page)).toMatchObject({ factors: { totp: false, backupCodesLeft: 0 } });
  const dialog = dialogOf(page, "Add an authenticator app");
  const secret = (await dialog.locator("code").innerText()).replaceAll(" ", "");
  await dialog.getByLabel("Code").fill("000000");
  await dialog.getByText("The code is wrong or was used").waitFor();
  await dialog.getByLabel("Code").fill(await codeOf(secret));
  await page.getByRole("button", { name: "I kept them" }).click();
  expect(await me(page)).toMatchObject({ factors: { totp: true, backupCodesLeft: 10 } });
});

it("T11 Turns shortcuts off, sets dark and compact; survives reload", async () => {
  const { page, open } = await world.member("acmecorp", { colorScheme: "light" });
  const shortcuts = page.getByRole("switch", { name: "Keyboard shortcuts" });
  const list = dialogOf(page, "Keyboard shortcuts");
  await open("/account");
  await page.keyboard.press("?");
  await list.waitFor();
  await page.keyboard.press("Escape");
  await list.waitFor({ state: "hidden" });
  await page.getByRole("radio", { name: "Dark" }).click();
  await page.getByRole("radio", { name: "Compact" }).click();
  await shortcuts.click();
  const appearance = () =>
    page.evaluate(() => {
      const { theme, density } = document.documentElement.dataset;
      return { theme, density };
    });
  expect(await appearance()).toEqual({ theme: "dark", density: "compact" });
  await page.reload();
  await shortcuts.waitFor();
  expect(await appearance()).toEqual({ theme: "dark", density: "compact" });
  expect(await page.getByRole("radio", { name: "Compact" }).isChecked()).toBe(true);
  expect(await shortcuts.isChecked()).toBe(false);
  await page.keyboard.press("?");
  expect(await list.count()).toBe(0);
});

it.each(looks)("the account fits in %s, and axe finds nothing", async (name, options) => {
  const pat = await world.person({ acmecorp: "admin", codewiser: "member" });
  const { page, open } = await world.signedIn(pat, options);
  for (const address of ["/companies", "/account"]) {
    await open(address);
    await page.waitForLoadState("networkidle");
    await expectAccessible(page);
    await expectNoOverflow(page);
    await screenshot(page, `${address.slice(1)}-${name}`);
  }
  await world.unconfirm(pat);
  await page.getByRole("button", { name: "Renew" }).click();
  await page.getByRole("button", { name: "Renew the codes" }).click();
  await dialogOf(page, "Confirm that it is you").waitFor();
  await expectAccessible(page);
  await screenshot(page, `confirm-${name}`);
});
