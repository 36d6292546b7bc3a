import { beforeAll, describe, expect, it } from "vitest";
import { startApi, type Api } from "../testing/fixture.ts";
import { send } from "../testing/raw-http.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});

const absent = undefined;
/** "own" stands for the origin of the API under test. */
const origins = [
  absent,
  "own",
  "https://admin.example.com",
  "https://evil.example.com",
  "http://localhost",
  "null",
  "",
];
const sites = [absent, "none", "same-origin", "same-site", "cross-site", "SAME-ORIGIN", ""];
const cookies = [absent, "__Host-tenant-secrets.session_token=fake"];
const authorizations = [absent, "Bearer tsk_fake", "bearer  x", "Bearer", "Basic YTpi", ""];

type Header = string | undefined;
type Sender = readonly [origin: Header, site: Header];

/** What a browser sends for our own page: to the origin that it is on. */
const fromOurPage: readonly Sender[] = [
  ["own", "same-origin"],
  ["own", absent],
  [absent, "same-origin"],
];
/** What the address bar sends, and what programs send. */
const fromNoPage: readonly Sender[] = [
  [absent, absent],
  [absent, "none"],
];
const fromAllowedPage: readonly Sender[] = sites.map((site) => ["https://admin.example.com", site]);

const isIn = (senders: readonly Sender[], [origin, site]: Sender) =>
  senders.some((sender) => sender[0] === origin && sender[1] === site);

/** With a credential that is read, or without a cookie. */
const taken = {
  "a change": [...fromOurPage, ...fromNoPage, ...fromAllowedPage],
  "a change with a cookie alone": fromOurPage,
  "a read with a cookie alone": [...fromOurPage, ...fromNoPage],
};

const requests = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"].flatMap((method) =>
  origins.flatMap((origin) =>
    sites.flatMap((site) =>
      cookies.flatMap((cookie) =>
        authorizations.map((authorization) => ({ method, origin, site, cookie, authorization })),
      ),
    ),
  ),
);

function isTaken({ method, origin, site, cookie, authorization }: (typeof requests)[number]): boolean {
  const isRead = ["GET", "HEAD", "OPTIONS"].includes(method);
  const isCookieAlone = cookie !== absent && !["Bearer tsk_fake", "bearer  x"].includes(authorization ?? "");
  if (isCookieAlone)
    return isIn(taken[isRead ? "a read with a cookie alone" : "a change with a cookie alone"], [
      origin,
      site,
    ]);
  return isRead || isIn(taken["a change"], [origin, site]);
}

describe("a request", () => {
  it("is taken or 403 by method, origin, site, cookie and credential, in every combination", async () => {
    const wrong: unknown[] = [];
    const left = [...requests];
    const sendAll = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const { method, origin, site, cookie, authorization } = next;
        const headers = Object.entries({
          origin: origin === "own" ? api.url : origin,
          "sec-fetch-site": site,
          cookie,
          authorization,
          "content-type": "application/json",
        }).filter((header): header is [string, string] => header[1] !== absent);
        const { status } = await send(api.url, {
          method,
          path: "/trpc/secrets.write",
          headers: Object.fromEntries(headers),
          ...(method === "POST" ? { body: "{}" } : {}),
        });
        if ((status === 403) === isTaken(next)) wrong.push({ ...next, status });
      }
    };
    await Promise.all(Array.from({ length: 16 }, sendAll));
    expect(wrong).toEqual([]);
  }, 60_000);

  it("gets no word of the host that it names: it is in no answer", async () => {
    for (const path of [
      "/",
      "/none",
      "/trpc/none",
      "/healthz",
      "/api/payments/create",
      "//evil.example.com",
    ]) {
      const headers = { host: "evil.example.com", "x-forwarded-host": "evil.example.com" };
      const answer = await send(api.url, { path, headers });
      expect(JSON.stringify(answer), path).not.toContain("evil");
    }
  });
});
