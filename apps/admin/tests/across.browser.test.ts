import { operator } from "@repo/hono-api/testing";
import { codeOf } from "@repo/sign-in/authenticator-code";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const notYours = { level: 1, name: "Not here, or not yours" } as const;
const textOf = (page: Page): Promise<string> => page.getByRole("main").innerText();

it("T64 Another company's URLs: one page, same as unknown; 0 rows of it in any answer.", async () => {
  const { page, open, watch } = await world.owner("acmecorp");
  const answers: string[] = [];
  page.on("response", async (response) => {
    if (response.url().includes("/trpc/")) answers.push(await response.text().catch(() => ""));
  });
  await open("/c/nowhere/secrets");
  await page.getByRole("heading", notYours).waitFor();
  const unknown = await textOf(page);
  for (const place of ["secrets", "secrets/STRIPE_SECRET_KEY", "secrets/import", "people"]) {
    await open(`/c/codewiser/${place}`);
    await page.getByRole("heading", notYours).waitFor();
    await page.waitForLoadState("networkidle");
    expect(await textOf(page)).toBe(unknown);
  }
  expect(answers.length).toBeGreaterThan(0);
  expect(answers.join("\n")).not.toMatch(/codewiser|STRIPE_SECRET_KEY/);
  expect(watch.refused).toEqual([]);
  await page.getByRole("main").getByRole("link", { name: "acmecorp" }).click();
  await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
});

describe("T65 Back after sign-out: sign-in, nothing else.", () => {
  it("by the history", async () => {
    const { page, open } = await world.owner("acmecorp");
    await open("/companies");
    await page.getByRole("main").getByRole("link", { name: "acmecorp" }).click();
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await page.getByRole("button", { name: "pat-" }).click();
    const signedOut = page.waitForResponse("**/api/sign-in/sign-out");
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    expect(await (await signedOut).headerValue("clear-site-data")).toBe('"cache", "storage"');
    await page.waitForURL("**/sign-in");
    await page.getByLabel("Password").waitFor();
    await page.goBack();
    await page.getByLabel("Password").waitFor();
    expect(page.url()).toBe(`${world.url}/sign-in`);
    expect(await page.locator("body").innerText()).not.toMatch(/acmecorp|STRIPE/);
  });

  it("out of the browser's memory of pages", async () => {
    const { page, open, person } = await world.owner("acmecorp");
    await open("/c/acmecorp/secrets");
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await world.endSessions(person);
    // The browser of the tests keeps no page: it is told as one that does would tell it.
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
    await page.waitForURL("**/sign-in");
    await page.getByLabel("Password").waitFor();
    expect(await page.locator("body").innerText()).not.toMatch(/acmecorp|STRIPE/);
  });
});

it("T66 A session revoked while a page is open: next call asks, draft kept.", async () => {
  const { page, open, person } = await world.admin("acmecorp");
  const value = world.canary("fake_custom_draft_of_an_ended_session");
  await open("/c/acmecorp/secrets/new/CUSTOM_KEPT");
  const field = page.getByLabel("Value", { exact: true });
  await field.fill(value);
  await world.endSessions(person);
  await page.keyboard.press("Shift");
  const dialog = page.getByRole("dialog", { name: "The session has ended" });
  await dialog.getByLabel("Password").fill(person.password);
  await page.keyboard.press("Enter");
  await dialog.getByLabel("Code").fill(await codeOf(person.totpSecret ?? "", 1));
  await dialog.waitFor({ state: "hidden" });
  expect(await field.inputValue()).toBe(value);
  await page.getByRole("button", { name: "Add secret" }).click();
  await page.getByText("CUSTOM_KEPT was saved as version 1").first().waitFor();
  const { trpc } = await world.client("acmecorp");
  const read = await trpc.secrets.read.mutate({ company: "acmecorp", secretKey: "CUSTOM_KEPT" });
  expect(read.value).toBe(value);
});

it("a suspended company has one page, which leaves no denied event, and goes on when it is resumed", async () => {
  const { suspension } = world.backends.secrets.admin;
  const { page, open, person } = await world.owner("codewiser");
  await open("/c/codewiser/secrets");
  await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
  await page.goto("about:blank");
  await suspension.suspend(operator, "codewiser");
  const heading = page.getByRole("heading", { level: 1, name: "This company is suspended" });
  for (const place of ["people", "secrets"]) {
    await open(`/c/codewiser/${place}`);
    await heading.waitFor();
  }
  await expectAccessible(page);
  expect(await page.getByRole("navigation", { name: "Main" }).getByRole("link").count()).toBe(0);
  const denied = (await world.events()).filter(
    ({ actorId, outcome }) => actorId === person.userId && outcome === "denied",
  );
  expect(denied).toEqual([]);
  await suspension.resume(operator, "codewiser");
  await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
});
