import { canaryOf } from "@repo/hono-api/testing/canary";
import { beforeAll, expect, it } from "vitest";
import { expectCalm, leaksIn } from "./watch.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

it("finds a value in the document and in the cache of answers", async () => {
  const { page, open } = await world.member("acmecorp");
  await open("/c/acmecorp/secrets");
  await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
  const leaks = await leaksIn(page, [canaryOf("STRIPE_SECRET_KEY")]);
  expect(leaks).toContain("document (plain)");
  expect(leaks).toContain("caches (plain)");
});

it("finds a value that a page stored, wrote into a field or put into its address", async () => {
  const value = "sk_test_fake_found_0001";
  const { page, open } = await world.member("acmecorp");
  await open("/companies");
  await page.evaluate((text) => {
    localStorage.setItem("theme", btoa(text));
    sessionStorage.setItem("a", text);
    history.replaceState({ text }, "", `?q=${text}`);
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = text;
  }, value);
  const places = (await leaksIn(page, [canaryOf(value)])).map((leak) => leak.replace(/ \(.*/, ""));
  expect(new Set(places)).toEqual(
    new Set(["fields", "address", "history state", "localStorage", "sessionStorage"]),
  );
});

it("fails a test whose page asked for what is refused, or broke the policy", async () => {
  const { page, watch, open } = await world.member("acmecorp");
  await open("/companies");
  const answer = await page.evaluate(async () => {
    const input = encodeURIComponent(JSON.stringify({ json: { company: "acmecorp", limit: 1 } }));
    return (await fetch(`/trpc/audit.list?input=${input}`)).text();
  });
  expect(answer).toContain("FORBIDDEN");
  await page.evaluate(() => document.body.setAttribute("style", "color: red"));
  await expect.poll(() => watch.violations).toEqual(["style-src-attr inline"]);
  await expect.poll(() => watch.refused).toEqual(["/trpc/audit.list"]);
  await expect(expectCalm(page, watch, [])).rejects.toThrow("to deeply equal");
  for (const found of Object.values(watch)) found.length = 0;
});
