import { randomUUID } from "node:crypto";
import { linkIn } from "@repo/mail/inbox";
import { operator } from "@repo/hono-api/testing";
import { codeOf } from "@repo/sign-in/authenticator-code";
import type { Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { looks, screenshot } from "./looks.ts";
import { addAuthenticator, createWorld, expectNoOverflow, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const password = "four random words of pat";
const newAddress = (): string => `ada-${randomUUID().slice(0, 6)}@acmecorp.example`;

type Role = "owner" | "admin" | "member" | "auditor";

/** Invites as an owner does. @returns the link in the mail */
async function invite(email: string, role: Role = "admin"): Promise<string> {
  const { page, open } = await world.owner("acmecorp");
  await open("/companies");
  const status = await page.evaluate(
    async (json) => {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ json });
      return (await fetch("/trpc/invitations.create", { method: "POST", headers, body })).status;
    },
    { company: "acmecorp", email, role },
  );
  expect(status).toBe(200);
  return linkIn(await world.inbox.mailTo(email)) ?? "";
}

async function acceptAsNewPerson(page: Page, email: string): Promise<void> {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Your name").fill("Ada Lovelace");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Accept the invitation" }).click();
}

interface AddedApp {
  readonly secret: string;
  /** The one that was given, and counts no more. */
  readonly code: string;
  readonly backupCodes: readonly string[];
}

async function addAuthenticatorApp(page: Page): Promise<AddedApp> {
  await page.getByRole("button", { name: "Authenticator app" }).click();
  const secret = (await page.locator("code").innerText()).replaceAll(" ", "");
  const code = await codeOf(secret);
  await page.getByLabel("Code").fill(code);
  const codes = page.getByRole("list", { name: "Backup codes" });
  await codes.waitFor();
  const backupCodes = await codes.getByRole("listitem").allTextContents();
  await page.getByRole("button", { name: "I kept them" }).click();
  return { secret, code, backupCodes };
}

async function givePassword(page: Page, email: string, given: string): Promise<void> {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(given);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Types a code, which is sent at its last digit. @returns the status of the answer */
async function giveCode(page: Page, code: string): Promise<number> {
  const answer = page.waitForResponse("**/api/sign-in/second-factor");
  await page.getByLabel("Code").fill(code);
  const status = (await answer).status();
  // The page takes no further code before it has read the answer.
  await page.locator("[aria-busy=true]").waitFor({ state: "detached" });
  return status;
}

/** A code that is taken now, and is none of those that were given. */
async function unspentCode(secret: string, spent: readonly string[]): Promise<string> {
  const taken = await Promise.all([1, 0, -1].map((at) => codeOf(secret, at)));
  return taken.find((code) => !spent.includes(code)) ?? "";
}

/** Codes of six digits that the app shows at no time near. */
async function wrongCodes(secret: string, count: number): Promise<string[]> {
  const right = new Set(await Promise.all([-2, -1, 0, 1, 2].map((at) => codeOf(secret, at))));
  return Array.from({ length: count + 5 }, (_, i) => String(100_000 + i))
    .filter((code) => !right.has(code))
    .slice(0, count);
}

const secretsPage = (page: Page) =>
  page.getByRole("heading", { level: 1, name: "Secrets", exact: true }).waitFor();

it("T1 An invited person becomes an admin: mail from the local inbox, link, name, password, TOTP, backup codes, lands on secrets; signs in elsewhere, confirms, and ends the first session", async () => {
  const email = newAddress();
  const link = await invite(email);
  const { page } = await world.visitor();
  await page.goto(link);
  await page.getByText("acmecorp invites a…@acmecorp.example as admin").waitFor();
  expect(page.url()).toBe(`${world.url}/invitation`);
  await acceptAsNewPerson(page, email);
  await page.getByRole("heading", { level: 1, name: "Add a second factor" }).waitFor();
  const { secret, code, backupCodes } = await addAuthenticatorApp(page);
  expect(backupCodes.length).toBe(10);
  await secretsPage(page);
  expect(page.url()).toBe(`${world.url}/c/acmecorp/secrets`);

  const members = await world.backends.secrets.admin.members.list(operator, "acmecorp");
  const ada = members.find((member) => member.email === email);
  expect(ada).toMatchObject({ name: "Ada Lovelace", role: "admin" });
  const [accepted] = await world.events("invitation.accept");
  expect(accepted).toMatchObject({ outcome: "success", reason: "admin" });
  const { page: again } = await world.visitor();
  await again.goto(link);
  await again.getByText("This invitation was used already").waitFor();

  await again.goto(`${world.url}/account`);
  await givePassword(again, email, password);
  const signInCode = await codeOf(secret, 1);
  expect(await giveCode(again, signInCode)).toBe(200);
  await again.getByRole("heading", { level: 1, name: "Account" }).waitFor();
  await world.unconfirm({ userId: ada?.userId ?? "" });
  await again.getByRole("button", { name: "End all other sessions" }).click();
  const dialog = again.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.getByText("Ending a session needs a recent sign-in.").waitFor();
  await dialog.getByLabel("Password").fill(password);
  await dialog.getByLabel("Code").fill(await unspentCode(secret, [code, signInCode]));
  await again.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
  await again.getByRole("button", { name: "End all other sessions" }).waitFor({ state: "hidden" });
  await page.keyboard.press("Shift");
  await page.getByRole("dialog", { name: "The session has ended" }).waitFor();
});

it("T2 Opening the link (GET, twice, with scripts) spends nothing", async () => {
  const email = newAddress();
  const link = await invite(email, "member");
  const { page } = await world.visitor();
  for (const _ of [1, 2]) {
    await page.goto("about:blank");
    await page.goto(link);
    await page.getByRole("button", { name: "Accept the invitation" }).waitFor();
    expect(page.url()).not.toContain("#");
    expect(await page.evaluate(() => JSON.stringify(history.state))).not.toContain(
      link.split("#")[1] ?? link,
    );
  }
  await acceptAsNewPerson(page, email);
  await secretsPage(page);
});

it("T3 An invitation for another address says whom it is for, masked, and offers sign-out", async () => {
  const email = newAddress();
  const link = await invite(email, "member");
  const { page } = await world.member("codewiser");
  await page.goto(link);
  await page.getByText("This invitation is for a…@acmecorp.example").waitFor();
  expect(await page.getByRole("main").innerText()).not.toContain(email);
  await page.getByRole("button", { name: "Sign out" }).click();
  await acceptAsNewPerson(page, "b@elsewhere.example");
  await page.getByText("The invitation is for a…@acmecorp.example.").waitFor();
  await acceptAsNewPerson(page, email);
  await secretsPage(page);
  expect(page.url()).toBe(`${world.url}/c/acmecorp/secrets`);
});

it("a person with an account joins by signing in to it", async () => {
  const pat = await world.person({ codewiser: "member" });
  const link = await invite(pat.email, "auditor");
  const { page } = await world.visitor();
  await page.goto(link);
  await givePassword(page, pat.email, pat.password);
  await page.getByRole("button", { name: "Join acmecorp" }).click();
  await secretsPage(page);
  const members = await world.backends.secrets.admin.members.list(operator, "acmecorp");
  expect(members.find(({ userId }) => userId === pat.userId)?.role).toBe("auditor");
});

it("T4 Signs in with password and code; with a backup code, once", async () => {
  const pat = await world.person({ acmecorp: "admin" });
  const first = await world.visitor();
  await first.open("/sign-in");
  await givePassword(first.page, pat.email, pat.password);
  const code = await codeOf(pat.totpSecret ?? "", 1);
  expect(await giveCode(first.page, code)).toBe(200);
  await secretsPage(first.page);

  const second = await world.visitor();
  await second.open("/sign-in");
  await givePassword(second.page, pat.email, pat.password);
  expect(await giveCode(second.page, code)).toBe(401);
  await second.page.getByText("This code does not count, or no longer.").waitFor();
  const backupCode = pat.backupCodes[0] ?? "";
  await second.page.getByRole("button", { name: "Use a backup code" }).click();
  await second.page.getByLabel("Backup code").fill(backupCode);
  await second.page.keyboard.press("Enter");
  await secretsPage(second.page);

  const third = await world.visitor();
  await third.open("/sign-in");
  await givePassword(third.page, pat.email, pat.password);
  await third.page.getByRole("button", { name: "Use a backup code" }).click();
  await third.page.getByLabel("Backup code").fill(backupCode);
  await third.page.keyboard.press("Enter");
  await third.page.getByText("This code does not count, or no longer.").waitFor();
});

it("T4 Signs in with a passkey, which was the first second factor", async () => {
  const pat = await world.person({ acmecorp: "owner" }, { enrolled: false });
  const { page, open } = await world.visitor();
  const finger = await addAuthenticator(page);
  await open("/sign-in");
  await givePassword(page, pat.email, pat.password);
  await page.getByRole("button", { name: /^Passkey/ }).click();
  await page.getByLabel("Name").fill("Work laptop");
  await page.getByRole("button", { name: "Create the passkey" }).click();
  await page.getByRole("button", { name: "I kept them" }).click();
  await secretsPage(page);
  await page.getByRole("button", { name: "pat-" }).click();
  // The browser would sign in with its suggestion at once.
  await finger(false);
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await givePassword(page, pat.email, pat.password);
  await page.getByLabel("Code").waitFor();
  await finger(true);
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await secretsPage(page);
  const [signedIn] = await world.events("sign-in");
  expect(signedIn).toMatchObject({ outcome: "success", actorId: pat.userId });
});

it("T5 Wrong password, unknown address, disabled person: same text, same status", async () => {
  const pat = await world.person({ acmecorp: "member" });
  const disabled = await world.person({ acmecorp: "member" });
  await world.backends.secrets.admin.users.disable(operator, disabled.userId);
  const attempts = [
    [pat.email, "not the password of pat"],
    [newAddress(), pat.password],
    [disabled.email, disabled.password],
  ] as const;
  const { page, open } = await world.visitor();
  await open("/sign-in");
  const seen: unknown[] = [];
  for (const [email, given] of attempts) {
    const answer = page.waitForResponse("**/api/sign-in/email");
    await givePassword(page, email, given);
    const { error } = await (await answer).json();
    const { requestId: _, ...told } = error;
    seen.push([(await answer).status(), told, await page.getByRole("alert").innerText()]);
    expect(await page.getByLabel("E-mail").inputValue()).toBe(email);
    await expect.poll(() => page.getByLabel("Password").inputValue()).toBe("");
    expect(await page.getByLabel("Password").evaluate((input) => input === document.activeElement)).toBe(
      true,
    );
  }
  expect(seen[1]).toEqual(seen[0]);
  expect(seen[2]).toEqual(seen[0]);
  expect(seen[0]).toEqual([401, expect.anything(), "E-mail address and password do not fit together."]);
});

it("T6 Ten wrong codes lock for 15 min, said with the time; the right code meanwhile is refused", async () => {
  const pat = await world.person({ acmecorp: "admin" });
  const { page, open } = await world.visitor();
  const codes = await wrongCodes(pat.totpSecret ?? "", 10);
  await open("/sign-in");
  for (const five of [codes.slice(0, 5), codes.slice(5)]) {
    await givePassword(page, pat.email, pat.password);
    for (const code of five) expect(await giveCode(page, code)).toBe(401);
    await page.getByText("Five wrong codes ended this sign-in. Begin again.").waitFor();
  }
  await givePassword(page, pat.email, pat.password);
  expect(await giveCode(page, await codeOf(pat.totpSecret ?? "", 1))).toBe(429);
  const notice = page.getByRole("alert");
  await notice.getByText("The second factor is locked").waitFor();
  const until = await notice.getByRole("time").getAttribute("datetime");
  const minutes = (Date.parse(until ?? "") - Date.now()) / 60_000;
  expect(minutes).toBeGreaterThan(14);
  expect(minutes).toBeLessThanOrEqual(15);
  expect(page.url()).toBe(`${world.url}/sign-in`);
});

it("T7 Resets a password without being told who exists; old sessions end in the other browser within one call; the second factor is still asked", async () => {
  const pat = await world.person({ acmecorp: "admin" });
  const elsewhere = await world.signedIn(pat);
  await elsewhere.open("/companies");
  const { page, open } = await world.visitor();
  const said: string[] = [];
  for (const email of [newAddress(), pat.email]) {
    await open("/forgot");
    await page.getByLabel("E-mail").fill(email);
    await page.getByRole("button", { name: "Send the link" }).click();
    said.push((await page.getByRole("status").innerText()).replace(email, "…"));
  }
  expect(said[0]).toBe(said[1]);
  await page.goto(linkIn(await world.inbox.mailTo(pat.email)) ?? "");
  expect(page.url()).toBe(`${world.url}/reset`);
  await page.getByLabel("New password").fill("passwordpassword");
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByText("it is on a list of common ones").waitFor();
  await page.getByLabel("New password").fill("five other words for pat");
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByText("The password is changed").waitFor();

  await elsewhere.page.getByRole("link", { name: "acmecorp" }).click();
  await elsewhere.page.getByRole("dialog", { name: "The session has ended" }).waitFor();

  await page.getByRole("link", { name: "Sign in" }).click();
  await givePassword(page, pat.email, pat.password);
  await page.getByText("E-mail address and password do not fit together.").waitFor();
  await givePassword(page, pat.email, "five other words for pat");
  expect(await giveCode(page, await codeOf(pat.totpSecret ?? "", 1))).toBe(200);
  await secretsPage(page);
});

it.each(looks)("the pages of the sign-in fit in %s, and axe finds nothing", async (name, options) => {
  const { page, open } = await world.visitor(options);
  const look = async (of: string): Promise<void> => {
    await page.waitForLoadState("networkidle");
    await expectAccessible(page);
    await expectNoOverflow(page);
    await screenshot(page, `${of}-${name}`);
  };
  await page.goto(await invite(newAddress()));
  await page.getByLabel("Your name").waitFor();
  await look("invitation");
  const pat = await world.person({ acmecorp: "owner" }, { enrolled: false });
  await open("/sign-in");
  await givePassword(page, pat.email, pat.password);
  await page.getByRole("button", { name: "Authenticator app" }).waitFor();
  await look("enrol-choose");
  await page.getByRole("button", { name: "Authenticator app" }).click();
  const secret = (await page.locator("code").innerText()).replaceAll(" ", "");
  await page.getByLabel("Code").fill("123");
  await look("enrol-app");
  await page.getByLabel("Code").fill(await codeOf(secret));
  await page.getByRole("list", { name: "Backup codes" }).waitFor();
  await look("enrol-codes");
});
