import { beforeAll, describe, expect, it } from "vitest";
import {
  createWorld,
  expectAccessible,
  expectNoOverflow,
  screenshot,
  type WatchedPage,
  type World,
} from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const sizes = [
  { width: 1280, height: 800 },
  { width: 360, height: 740 },
];

const pages = [
  "/companies",
  "/account",
  "/c/acmecorp/secrets",
  "/c/acmecorp/secrets/STRIPE_SECRET_KEY",
  "/c/acmecorp/secrets/new",
  "/c/acmecorp/secrets/new/STRIPE_SECRET_KEY",
  "/c/acmecorp/secrets/import",
  "/c/acmecorp/people",
  "/c/acmecorp/api-keys",
  "/c/acmecorp/api-keys/new",
  "/c/nowhere/secrets",
];

describe.each(["light", "dark"] as const)("in %s", (colorScheme) => {
  it("the sign-in fits each window, and axe finds nothing", async () => {
    for (const viewport of sizes) {
      const visitor = await world.visitor({ colorScheme, viewport });
      await expectFit(visitor, "/sign-in", `sign-in-${colorScheme}-${viewport.width}`);
    }
  });

  it.each(pages)("%s fits each window, and axe finds nothing", async (address) => {
    const person = await world.person({ acmecorp: "owner" });
    for (const viewport of sizes) {
      const pat = await world.signedIn(person, { colorScheme, viewport });
      const name = address.slice(1).replaceAll("/", "-");
      await expectFit(pat, address, `${name}-${colorScheme}-${viewport.width}`);
    }
  });
});

it.each(["admin", "member", "auditor"] as const)(
  "the pages of a person with the role %s ask for nothing that is refused",
  async (role) => {
    const pat = await world[role]("acmecorp");
    for (const address of pages) {
      await pat.open(address);
      await pat.page.waitForLoadState("networkidle");
    }
    expect(pat.watch.refused).toEqual([]);
    const { userId } = pat.person;
    const events = await world.events();
    expect(events.filter(({ actorId, outcome }) => actorId === userId && outcome === "denied")).toEqual([]);
  },
);

it("a person signs in with password and code, and lands where they wanted to go", async () => {
  const person = await world.person({ acmecorp: "admin", codewiser: "member" });
  const { page } = await world.visitor();
  await page.goto(`${world.url}/c/codewiser/secrets`);
  await page.getByLabel("E-mail").fill(person.email);
  expect(page.url()).toBe(`${world.url}/sign-in`);
  await page.getByLabel("Password").fill(person.password);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Use a backup code" }).click();
  await page.getByLabel("Backup code").fill(person.backupCodes[0] ?? "");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Secrets", exact: true }).waitFor();
  expect(page.url()).toBe(`${world.url}/c/codewiser/secrets`);
});

async function expectFit({ page, open }: WatchedPage, address: string, name: string): Promise<void> {
  await open(address);
  await page.waitForLoadState("networkidle");
  await expectAccessible(page);
  await expectNoOverflow(page);
  await screenshot(page, name);
}
