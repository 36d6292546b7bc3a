import type { Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import { screenshot } from "./looks.ts";
import { addAuthenticator, createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const secretsPage = (page: Page) =>
  page.getByRole("heading", { level: 1, name: "Secrets", exact: true }).waitFor();
/** How often the page asks the server for a challenge. */
function challengesOf(page: Page): { count: number } {
  const challenges = { count: 0 };
  page.on("request", (request) => {
    if (request.url().endsWith("/api/sign-in/passkey-options")) challenges.count += 1;
  });
  return challenges;
}

it("a person signs in with the passkey that the browser suggests, and types nothing", async () => {
  const pat = await world.person({ acmecorp: "owner" }, { enrolled: false });
  const { page, open } = await world.visitor();
  const finger = await addAuthenticator(page);
  await open("/sign-in");
  const email = page.getByLabel("E-mail");
  expect(await email.getAttribute("autocomplete")).toBe("username webauthn");
  await email.fill(pat.email);
  await page.getByLabel("Password").fill(pat.password);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /^Passkey/ }).click();
  await page.getByLabel("Name").fill("Work laptop");
  await page.getByRole("button", { name: "Create the passkey" }).click();
  await page.getByRole("button", { name: "I kept them" }).click();
  await secretsPage(page);

  // Nothing is chosen among the suggestions: the page waits, and says nothing.
  await finger(false);
  const challenges = challengesOf(page);
  await page.context().clearCookies();
  await open("/sign-in");
  await expect.poll(() => challenges.count).toBe(1);
  expect(await page.getByRole("alert").count()).toBe(0);
  await screenshot(page, "sign-in-suggested-light-1280");

  await finger(true);
  await page.goto(`${world.url}/sign-in`);
  await secretsPage(page);
  const [signedIn] = await world.events("sign-in");
  expect(signedIn).toMatchObject({ outcome: "success", actorId: pat.userId });
});

it("a browser that suggests no passkeys is asked for none, and the password signs in", async () => {
  const pat = await world.person({ acmecorp: "member" });
  const { page, open } = await world.visitor();
  await page.addInitScript(() => {
    Reflect.deleteProperty(PublicKeyCredential, "isConditionalMediationAvailable");
  });
  const challenges = challengesOf(page);
  await open("/sign-in");
  await page.getByLabel("E-mail").fill(pat.email);
  await page.getByLabel("Password").fill(pat.password);
  await page.keyboard.press("Enter");
  await secretsPage(page);
  expect(challenges.count).toBe(0);
});

it("a server that gives no challenge is no news, and the password signs in", async () => {
  const pat = await world.person({ acmecorp: "member" });
  const { page, open } = await world.visitor();
  await page.route("**/api/sign-in/passkey-options", (route) => route.abort());
  const challenges = challengesOf(page);
  await open("/sign-in");
  await expect.poll(() => challenges.count).toBe(1);
  expect(await page.getByRole("alert").count()).toBe(0);
  await page.getByLabel("E-mail").fill(pat.email);
  await page.getByLabel("Password").fill(pat.password);
  await page.keyboard.press("Enter");
  await secretsPage(page);
});
