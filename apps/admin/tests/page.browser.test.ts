import { createServer } from "node:http";
import { once } from "node:events";
import { whenDone } from "@repo/db/testing";
import { beforeAll, describe, expect, it } from "vitest";
import type { Watch } from "./watch.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

describe.each(["light", "dark"] as const)("in %s, the page", (colorScheme) => {
  it("loads under its policy without a violation, an error or a foreign request", async () => {
    const { page } = await world.visitor({ colorScheme });
    const response = await page.goto(`${world.url}/sign-in`);
    expect(await page.title()).toBe("Tenant Secrets");
    await page.getByRole("main").getByRole("heading", { level: 1, name: "Tenant Secrets" }).waitFor();
    await page.waitForLoadState("networkidle");
    expect(response?.headers()).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy": expect.stringContaining("trusted-types 'none'"),
      "cross-origin-opener-policy": "same-origin",
      "referrer-policy": "no-referrer",
    });
    const ground = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    expect(ground).toBe({ light: "rgb(249, 250, 251)", dark: "rgb(13, 15, 21)" }[colorScheme]);
  });
});

it("runs no script that gets into the page, in whatever form, not even with the page's nonce", async () => {
  const { page, watch } = await world.visitor();
  await page.route(world.url + "/sign-in", async (route) => {
    const response = await route.fetch();
    const nonce = /nonce="([^"]+)"/.exec(await response.text())?.[1];
    const injected = `
      <script>document.title = "ran"</script>
      <script nonce="${nonce}">document.title = "ran with the nonce"</script>
      <script src="data:text/javascript,document.title='ran from data:'"></script>
      <img src="/none" alt="" onerror="document.title = 'ran on error'">
      <iframe srcdoc="<script>parent.document.title = 'ran in a frame'</script>"></iframe>
      <style>body { --injected: yes }</style></body>`;
    await route.fulfill({ response, body: (await response.text()).replace("</body>", injected) });
  });
  await page.goto(`${world.url}/sign-in`);
  await page.getByRole("main").waitFor();
  await page.waitForLoadState("networkidle");
  expect(await page.title()).toBe("Tenant Secrets");
  expect(await page.evaluate(() => getComputedStyle(document.body).getPropertyValue("--injected"))).toBe("");
  expect(watch.violations).toEqual(
    expect.arrayContaining([
      "script-src-elem inline",
      "script-src-elem data",
      "script-src-attr inline",
      "style-src-elem inline",
    ]),
  );
  forgive(watch);
});

it("turns no text into markup or code", async () => {
  const { page, watch } = await world.visitor();
  await page.goto(`${world.url}/sign-in`);
  const outcomes = await page.evaluate(async () => {
    const attempts = [
      () => (document.body.innerHTML = "<b>text</b>"),
      () => document.body.insertAdjacentHTML("beforeend", "<b>text</b>"),
      () => (document.createElement("script").textContent = "1"),
      () => Reflect.construct(Function, ["return 1"]),
    ];
    // Later, because a debugger's own evaluation may make code.
    await new Promise((resolve) => setTimeout(resolve));
    return attempts.map((attempt) => {
      try {
        attempt();
        return "done";
      } catch (error) {
        return error instanceof Error ? error.name : "";
      }
    });
  });
  expect(outcomes).toEqual(["TypeError", "TypeError", "TypeError", "EvalError"]);
  forgive(watch);
});

it("appears in no frame, neither of another origin nor of its own", async () => {
  const framing = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<iframe src="${world.url}/sign-in"></iframe>`);
  });
  framing.listen(0, "127.0.0.1");
  await once(framing, "listening");
  whenDone(async () => void framing.close());
  const address = framing.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const { page, watch } = await world.visitor();
  await page.goto(`http://127.0.0.1:${port}/`, { waitUntil: "networkidle" });
  const [, frame] = page.frames();
  expect(frame?.url()).toMatch(/^chrome-error:/);
  expect(watch.consoleErrors.join("\n")).toContain("frame-ancestors 'none'");
  forgive(watch);
});

/** For a test that provokes what no page may do. */
function forgive(watch: Watch): void {
  for (const found of Object.values(watch)) found.length = 0;
}
