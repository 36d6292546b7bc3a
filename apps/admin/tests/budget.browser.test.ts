import { beforeAll, describe, expect, it } from "vitest";
import type { Page } from "playwright-core";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

/** In bytes, as they are sent: compressed. */
const most = { "sign-in": 165_000, secrets: 200_000, styles: 15_000, fonts: 90_000 };

describe("the first load", () => {
  it("of the sign-in is little", async () => {
    const { page, open } = await world.visitor();
    await open("/sign-in");
    const loaded = await loadedBy(page);
    expect(loaded.scripts).toBeGreaterThan(50_000);
    expect(loaded.scripts).toBeLessThanOrEqual(most["sign-in"]);
    expect(loaded.styles).toBeLessThanOrEqual(most.styles);
    expect(loaded.fonts).toBeGreaterThan(0);
    expect(loaded.fonts).toBeLessThanOrEqual(most.fonts);
  });

  it("of the secrets is little, in at most three requests of data", async () => {
    const { page, open } = await world.admin("acmecorp");
    const asked: string[] = [];
    page.on("request", (request) => {
      const { pathname } = new URL(request.url());
      if (pathname.startsWith("/trpc/")) asked.push(pathname);
    });
    await open("/c/acmecorp/secrets");
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    const loaded = await loadedBy(page);
    expect(loaded.scripts).toBeLessThanOrEqual(most.secrets);
    expect(loaded.styles).toBeLessThanOrEqual(most.styles);
    expect(asked.length).toBeLessThanOrEqual(3);
  });

  it("has no server code, no schema library, no development build, no source map and makes no code", async () => {
    const { page, open } = await world.admin("acmecorp");
    await open("/c/acmecorp/secrets");
    const scripts = (await entriesOf(page)).filter(({ name }) => name.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(2);
    for (const { name } of scripts) {
      const text = await (await fetch(name)).text();
      const found = text.match(
        /createDecipheriv|postgres:|@infisical|drizzle|better-auth|["'`]node:|ZodError|React DevTools|sourceMappingURL|\beval\(|new Function\(/g,
      );
      expect(found, name).toBeNull();
      expect((await fetch(`${name}.map`)).status).toBe(404);
    }
  });
});

async function entriesOf(page: Page): Promise<{ readonly name: string; readonly encodedBodySize: number }[]> {
  await page.waitForLoadState("networkidle");
  return page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .filter((entry) => entry instanceof PerformanceResourceTiming)
      .map(({ name, encodedBodySize }) => ({ name, encodedBodySize })),
  );
}

async function loadedBy(page: Page): Promise<Record<"scripts" | "styles" | "fonts", number>> {
  const entries = await entriesOf(page);
  const sum = (ending: string): number =>
    entries
      .filter(({ name }) => name.endsWith(ending))
      .reduce((total, { encodedBodySize }) => total + encodedBodySize, 0);
  return { scripts: sum(".js"), styles: sum(".css"), fonts: sum(".woff2") };
}
