import { operator } from "@repo/hono-api/testing";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { violationsIn } from "./accessible.ts";
import { looks, screenshot, takeLook } from "./looks.ts";
import { createWorld, type WatchedPage, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const pagesOfVisitors = ["/sign-in", "/forgot", "/reset", "/invitation"];

// Of the person's own, of a company, and of operators.
const pages = [
  "/companies",
  "/account",
  "/c/acmecorp/secrets",
  "/c/acmecorp/secrets/STRIPE_SECRET_KEY",
  "/c/acmecorp/secrets/new",
  "/c/acmecorp/secrets/new/STRIPE_SECRET_KEY",
  "/c/acmecorp/secrets/import",
  "/c/acmecorp/secrets/removed",
  "/c/acmecorp/people",
  "/c/acmecorp/api-keys",
  "/c/acmecorp/api-keys/new",
  "/c/acmecorp/webhooks",
  "/c/acmecorp/webhooks/new",
  "/c/acmecorp/webhooks/0198c0de-0000-7000-8000-000000000001",
  "/c/acmecorp/rotation",
  "/c/acmecorp/rotation/new",
  "/c/acmecorp/rotation/STRIPE_SECRET_KEY",
  "/c/acmecorp/rotation/runs",
  "/c/acmecorp/rotation/runs/0198c0de-0000-7000-8000-000000000001",
  "/c/acmecorp/audit-log",
  "/c/acmecorp/settings",
  "/c/nowhere/secrets",
  "/platform/companies",
  "/platform/companies/new",
  "/platform/companies/acmecorp",
  "/platform/people",
  "/platform/keys",
  "/platform/migrations",
  "/platform/regions",
  "/platform/migrations/0198c0de-0000-7000-8000-000000000001",
  "/platform/webhooks",
  "/platform/webhooks/new",
  "/platform/webhooks/0198c0de-0000-7000-8000-000000000001",
  "/platform/audit-log",
  "/platform/search",
  "/platform/runs",
  "/platform/approvals",
  "/platform/system",
];

const isOfOperators = (address: string): boolean => address.startsWith("/platform");

it("the pages of visitors fit in each look, and axe finds nothing", async () => {
  const visitor = await world.visitor();
  expect(await findingsAt(visitor, pagesOfVisitors)).toEqual([]);
});

describe.each(["owner", "admin", "member", "auditor"] as const)("for the role %s", (role) => {
  it.each(inParts(pages.filter((address) => !isOfOperators(address))))(
    "%s fit in each look, axe finds nothing, and they ask for nothing that is refused",
    async (_, part) => {
      const pat = await world[role]("acmecorp");
      expect(await findingsAt(pat, part)).toEqual([]);
      await expectNothingRefused(pat.person.userId);
    },
  );
});

describe("for operators", () => {
  beforeAll(async () => {
    const subdomain = `${"long-name-".repeat(5)}company`;
    await world.backends.secrets.admin.companies.create(operator, { subdomain, secretStore: "hybrid" });
  });

  it.each(inParts(["/companies", ...pages.filter(isOfOperators)]))(
    "%s fit in each look, axe finds nothing, and they ask for nothing that is refused",
    async (_, part) => {
      const olga = await world.operator();
      expect(await findingsAt(olga, part)).toEqual([]);
      await expectNothingRefused(olga.person.userId);
    },
  );
});

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

/** One tab for some pages, as a new one takes longer than a look. */
function inParts(addresses: readonly string[]): (readonly [title: string, part: readonly string[]])[] {
  const parts = Array.from({ length: Math.ceil(addresses.length / 5) }, (_, i) =>
    addresses.slice(5 * i, 5 * i + 5),
  );
  return parts.map((part) => [part.join(", "), part]);
}

async function expectNothingRefused(userId: string): Promise<void> {
  const events = await world.events();
  expect(events.filter(({ actorId, outcome }) => actorId === userId && outcome === "denied")).toEqual([]);
}

async function findingsAt({ page, open }: WatchedPage, addresses: readonly string[]): Promise<string[]> {
  const settled = settling(page);
  const findings: string[] = [];
  for (const address of addresses) {
    for (const [i, look] of looks.entries()) {
      await takeLook(page, look);
      if (i === 0) await open(address);
      await settled();
      const [name] = look;
      findings.push(...(await findingsIn(page)).map((finding) => `${address} in ${name}: ${finding}`));
      await screenshot(page, `${address.slice(1).replaceAll("/", "-")}-${name}`);
    }
  }
  return findings;
}

async function findingsIn(page: Page): Promise<string[]> {
  const findings = [...(await violationsIn(page))];
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  return overflow > 0 ? [...findings, `${overflow} px are outside the window`] : findings;
}

/** @returns what waits until no answer is out, and what came of the answers is painted */
function settling(page: Page): () => Promise<void> {
  const asked = new Set<unknown>();
  page.on("request", (request) => asked.add(request));
  page.on("requestfinished", (request) => asked.delete(request));
  page.on("requestfailed", (request) => asked.delete(request));
  const painted = (): Promise<void> =>
    page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))),
    );
  return async () => {
    await painted();
    while (asked.size > 0) {
      await expect.poll(() => asked.size).toBe(0);
      await painted();
    }
  };
}
