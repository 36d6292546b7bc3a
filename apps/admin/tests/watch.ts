import type { Canary } from "@repo/hono-api/testing/canary";
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** What no page may do. Each test's pages are held to it when the test ends. */
export interface Watch {
  /** Each as "<directive> <what was blocked>". */
  readonly violations: string[];
  readonly consoleErrors: string[];
  /** Addresses outside the page's origin. */
  readonly foreignRequests: string[];
  /** Files that did not come. */
  readonly failedFiles: string[];
  /** Calls that the server refused: the page asked for what the person may not do. */
  readonly refused: string[];
  /** Where a value of a secret was found that should be nowhere. */
  readonly leaks: string[];
}

/** Answers that may hold a value, for the page to show it for a moment. */
const mayHoldValues = /\/trpc\/secrets\.(?:reveal|export)$/;

/** @param canaries values that no page may keep, registered before or after this */
export async function watchOver(page: Page, url: string, canaries: readonly Canary[]): Promise<Watch> {
  const watch: Watch = {
    violations: [],
    consoleErrors: [],
    foreignRequests: [],
    failedFiles: [],
    refused: [],
    leaks: [],
  };
  await page.exposeFunction("reportViolation", (violation: string) => watch.violations.push(violation));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
      const report: unknown = Reflect.get(globalThis, "reportViolation");
      if (typeof report === "function") report(`${effectiveDirective} ${blockedURI}`);
    });
  });
  page.on("console", (message) => {
    const text = message.text();
    // The browser's own words for an answer that is an error. Those of the API have reasons, which pages put into words.
    if (text.startsWith("Failed to load resource")) return;
    if (message.type() === "error" || message.type() === "warning") watch.consoleErrors.push(text);
  });
  page.on("pageerror", (error) => watch.consoleErrors.push(error.message));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== url) watch.foreignRequests.push(request.url());
  });
  page.on("response", async (response) => {
    const { pathname } = new URL(response.url());
    const isOfTheApi = /^\/(?:trpc|api)\//.test(pathname);
    if (!isOfTheApi && response.status() >= 400) watch.failedFiles.push(pathname);
    if (!isOfTheApi) return;
    // A page that is left has no answer any more.
    const text = await response.text().catch(() => "");
    // Of the answer itself; the audit log has events with such a reason.
    if (/"data":\{[^{}]*"reason":"FORBIDDEN"/.test(text)) watch.refused.push(pathname);
    if (!mayHoldValues.test(pathname)) watch.leaks.push(...found(text, `answer of ${pathname}`, canaries));
  });
  return watch;
}

/** Fails where the page did what no page may do, or holds a value somewhere. */
export async function expectCalm(page: Page, watch: Watch, canaries: readonly Canary[]): Promise<void> {
  const leaks = page.isClosed() || canaries.length === 0 ? [] : await leaksIn(page, canaries);
  expect({ ...watch, leaks: [...watch.leaks, ...leaks] }).toEqual({
    violations: [],
    consoleErrors: [],
    foreignRequests: [],
    failedFiles: [],
    refused: [],
    leaks: [],
  });
}

/** Looks for the values wherever a page can keep something. */
export async function leaksIn(page: Page, canaries: readonly Canary[]): Promise<string[]> {
  const places = await page.evaluate(() => {
    const isRecord = (item: unknown): item is Record<string, unknown> =>
      typeof item === "object" && item !== null;
    const call = (target: unknown, name: string): unknown => {
      const method: unknown = isRecord(target) ? target[name] : undefined;
      return typeof method === "function" ? Reflect.apply(method, target, []) : undefined;
    };
    const caches: unknown[] = [];
    const root = document.querySelector("#root");
    const containerKey = Object.keys(root ?? {}).find((key) => key.startsWith("__reactContainer"));
    const fibers: unknown[] = containerKey === undefined ? [] : [Reflect.get(root ?? {}, containerKey)];
    // The client of TanStack Query is in the properties of its provider.
    while (fibers.length > 0) {
      const fiber = fibers.pop();
      if (!isRecord(fiber)) continue;
      const props = fiber["memoizedProps"];
      const client = isRecord(props) ? props["client"] : undefined;
      if (isRecord(client) && "getQueryCache" in client) {
        for (const name of ["getQueryCache", "getMutationCache"]) {
          const all = call(call(client, name), "getAll");
          for (const entry of Array.isArray(all) ? all : []) {
            if (isRecord(entry)) caches.push(name, entry["state"], entry["queryKey"]);
          }
        }
        break;
      }
      fibers.push(fiber["child"], fiber["sibling"]);
    }
    const fields = [...document.querySelectorAll("input, textarea")].map((field) =>
      Reflect.get(field, "value"),
    );
    return {
      document: document.documentElement.outerHTML,
      fields: JSON.stringify(fields),
      address: location.href,
      "history state": JSON.stringify(history.state),
      localStorage: JSON.stringify(Object.entries(localStorage)),
      sessionStorage: JSON.stringify(Object.entries(sessionStorage)),
      performance: JSON.stringify(performance.getEntries().map(({ name }) => name)),
      caches: JSON.stringify(caches),
      "number of caches": String(caches.length),
    };
  });
  return Object.entries(places).flatMap(([place, text]) => found(text, place, canaries));
}

function found(text: string, place: string, canaries: readonly Canary[]): string[] {
  return canaries.flatMap((canary) => canary.formsIn(text).map((form) => `${place} (${form})`));
}
