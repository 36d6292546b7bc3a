import { beforeAll, expect, it } from "vitest";
import { codeOf } from "@repo/sign-in/authenticator-code";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const list = "/c/acmecorp/secrets";

it("a session that ends under an open page asks for the sign-in over it, and the page goes on", async () => {
  const { page, open, person } = await world.admin("acmecorp");
  await open(list);
  await world.endSessions(person);
  const dialog = page.getByRole("dialog", { name: "The session has ended" });
  const isAsked = async () => {
    await page.keyboard.press("Shift");
    return dialog.isVisible();
  };
  // Input asks the server again four seconds after the last time.
  await expect.poll(isAsked, { interval: 500, timeout: 60_000 }).toBe(true);
  expect(await dialog.getByLabel("E-mail").inputValue()).toBe(person.email);
  await dialog.getByLabel("Password").fill(person.password);
  await page.keyboard.press("Enter");
  await dialog.getByLabel("Code").fill(await codeOf(person.totpSecret ?? "", 1));
  await dialog.waitFor({ state: "hidden" });
  expect(page.url()).toBe(world.url + list);
  await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
});

it("a page that is left alone asks whether to stay, and staying puts the end off", async () => {
  const { page, open, person } = await world.member("acmecorp");
  await open("/companies");
  await world.leaveIdle(person, 100);
  await page.reload();
  const dialog = page.getByRole("dialog", { name: "Still there?" });
  await dialog.getByText(/^1:[0-3]\d left$/).waitFor();
  const told = page.waitForResponse((response) => response.url().includes("/trpc/me.active"));
  await dialog.getByRole("button", { name: "Stay signed in" }).click();
  expect((await told).status()).toBe(200);
  await dialog.waitFor({ state: "hidden" });
});

it("a page that is left alone for too long asks for the sign-in", async () => {
  const { page, open, person } = await world.member("acmecorp");
  await open("/companies");
  await world.leaveIdle(person, 3);
  await page.reload();
  await page.getByRole("dialog", { name: "The session has ended" }).waitFor();
  expect(await page.getByRole("dialog", { name: "Still there?" }).count()).toBe(0);
});

it("a sign-out ends the other tabs, and nothing is left to go back to", async () => {
  const { page, open } = await world.member("acmecorp");
  await open("/companies");
  const other = await page.context().newPage();
  await other.goto(`${world.url}/companies`);
  await other.getByRole("heading", { level: 1 }).waitFor();
  await page.getByRole("button", { name: "pat-" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.waitForURL("**/sign-in");
  await other.getByRole("dialog", { name: "The session has ended" }).waitFor();
  await page.goto(`${world.url}/companies`);
  await page.getByLabel("Password").waitFor();
  expect(page.url()).toBe(`${world.url}/sign-in`);
  expect(await page.getByText("acmecorp").count()).toBe(0);
});

it("without a network the page says since when, and nothing else changes", async () => {
  const { page, open } = await world.member("acmecorp");
  await open(list);
  await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
  await page.context().setOffline(true);
  await page.getByText(/^No connection since \d\d:\d\d\. Nothing is lost; saving waits\.$/).waitFor();
  await page.context().setOffline(false);
  await page.getByText("No connection since").waitFor({ state: "hidden" });
  expect(await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).count()).toBe(1);
});

it("a change by others appears by itself, and costs them no look", async () => {
  const { page, open, person } = await world.member("another-company");
  await open("/c/another-company/secrets");
  const client = await world.client("another-company");
  await client.company("another-company").set("CUSTOM_FAKE", "fake_custom_0001");
  await page.getByRole("row", { name: "CUSTOM_FAKE" }).waitFor({ timeout: 60_000 });
  const looks = (await world.events("secret.list")).filter(({ actorId }) => actorId === person.userId);
  expect(looks.length).toBeLessThanOrEqual(2);
});
