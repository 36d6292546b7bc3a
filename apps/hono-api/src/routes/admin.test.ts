import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { brotliCompressSync, brotliDecompressSync, gzipSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApi, type Api } from "../testing/fixture.ts";
import { send, sendRaw, type Answer } from "../testing/raw-http.ts";

const html = '<!doctype html><meta property="csp-nonce" nonce="CSP_NONCE"><title>Fake</title>';
const script = "console.log(1);".repeat(100);
const immutable = "public, max-age=31536000, immutable";

let directory: string;
let api: Api;
beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "admin-"));
  mkdirSync(path.join(directory, "assets"));
  const asset = path.join(directory, "assets/index-fake.js");
  writeFileSync(path.join(directory, "index.html"), html);
  writeFileSync(path.join(directory, "outside.js"), "outside");
  writeFileSync(asset, script);
  writeFileSync(`${asset}.br`, brotliCompressSync(script));
  writeFileSync(`${asset}.gz`, gzipSync(script));
  api = await startApi({ adminDirectory: directory });
});
afterAll(() => rmSync(directory, { recursive: true }));

const get = (requestPath: string, headers: Record<string, string> = {}) =>
  send(api.url, { path: requestPath, headers });
const policyOf = ({ headers }: Answer) => String(headers["content-security-policy"]);
const nonceOf = (answer: Answer) => /'nonce-([A-Za-z0-9+/]{22}==)'/.exec(policyOf(answer))?.[1];

describe("a page", () => {
  it.each([
    "/",
    "/sign-in",
    "/reset",
    "/invitation",
    "/c/acmecorp/secrets",
    "/c/acmecorp/secrets?q=STRIPE",
    "/c/acmecorp/secrets/STRIPE_SECRET_KEY",
    "/c/acmecorp/secrets/new/STRIPE_SECRET_KEY",
    "/c/no-such-company/people",
    "/platform/companies/acmecorp",
  ])("is at %s", async (address) => {
    const answer = await get(address);
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "text/html; charset=UTF-8"]);
    expect(answer.body).toContain("<title>Fake</title>");
  });

  it.each([
    "/index.html",
    "/sign-in/",
    "/Sign-In",
    "/c/acmecorp",
    "/c/acme.corp/secrets",
    "/c/acmecorp/secrets/stripe_secret_key",
    "/c/acmecorp/secrets/%2e%2e",
    "/c/acmecorp/secrets/STRIPE_SECRET_KEY/history",
    "/platform/none",
    "/favicon.ico",
    "/assets",
  ])("is not at %s", async (address) => {
    const answer = await get(address);
    expect([answer.status, answer.headers["content-type"]]).toEqual([404, "application/json"]);
    expect(policyOf(answer)).toContain("default-src 'none'; frame-ancestors 'none'");
  });

  it("lets nothing run but the files of the build, and is kept by no cache", async () => {
    const answer = await get("/sign-in");
    const nonce = nonceOf(answer);
    expect(answer.body).toBe(html.replace("CSP_NONCE", String(nonce)));
    expect(answer.headers).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy":
        `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self'; font-src 'self'; ` +
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
        "require-trusted-types-for 'script'; trusted-types 'none'",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "strict-transport-security": "max-age=31536000; includeSubDomains",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    });
    const allowed = String(answer.headers["permissions-policy"])
      .split(", ")
      .filter((feature) => !feature.endsWith("=()"));
    expect(allowed.toSorted()).toEqual([
      "clipboard-write=(self)",
      "publickey-credentials-create=(self)",
      "publickey-credentials-get=(self)",
    ]);
  });

  it("has a nonce of its own in each response", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => get("/")));
    const nonces = answers.map(nonceOf);
    expect(nonces).not.toContain(undefined);
    expect(new Set(nonces).size).toBe(50);
  });

  it("is on the host of PUBLIC_URL alone, and none of a company's", async () => {
    const { host, port } = new URL(api.url);
    for (const other of [
      `acmecorp.localhost:${port}`,
      "localhost",
      `localhost:${port}`,
      "evil.example.com",
    ]) {
      for (const address of ["/", "/c/acmecorp/secrets", "/assets/index-fake.js"]) {
        const answer = await get(address, { host: other, "x-forwarded-host": host });
        expect([answer.status, nonceOf(answer)], other + address).toEqual([404, undefined]);
      }
    }
  });

  it("opens from a link of another page, also for a person with a session", async () => {
    const headers = { cookie: "a=1", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
    expect((await get("/invitation", headers)).status).toBe(200);
    expect((await get("/trpc/me.get", headers)).status).toBe(403);
  });

  it("answers HEAD with the headers alone, and no other method", async () => {
    const { status, body, headers } = await send(api.url, { method: "HEAD", path: "/" });
    expect([status, body, headers["cache-control"]]).toEqual([200, "", "no-store"]);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      expect((await send(api.url, { method, path: "/" })).status, method).toBeGreaterThanOrEqual(400);
    }
  });
});

describe("an asset", () => {
  it.each([
    ["", undefined],
    ["identity", undefined],
    ["gzip, deflate, br, zstd", "br"],
    ["br;q=0, gzip", "gzip"],
    ["GZIP;q=0", undefined],
    ["zstd", undefined],
  ])("is sent to a client that accepts %j in the encoding %s", async (accepted, encoding) => {
    const response = await fetchRaw("/assets/index-fake.js", accepted);
    expect(response.headers.get("content-encoding") ?? undefined).toBe(encoding);
    const decode = { br: brotliDecompressSync, gzip: gunzipSync }[encoding ?? ""];
    expect(String(decode?.(response.bytes) ?? response.bytes)).toBe(script);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "cache-control": immutable,
      "content-type": "text/javascript; charset=utf-8",
      "content-length": String(response.bytes.length),
      "cross-origin-resource-policy": "same-origin",
      "x-content-type-options": "nosniff",
      vary: "accept-encoding",
    });
  });

  it("is complete, whatever condition or range is asked for", async () => {
    for (const headers of [
      { "if-none-match": "*" },
      { "if-none-match": '"a"', "if-modified-since": new Date().toUTCString() },
      { range: "bytes=0-1" },
      { range: "bytes=5-2" },
    ]) {
      const { status, body } = await get("/assets/index-fake.js", headers);
      expect([status, body]).toEqual([200, script]);
    }
    const head = await send(api.url, { method: "HEAD", path: "/assets/index-fake.js" });
    expect([head.status, head.body, head.headers["cache-control"]]).toEqual([200, "", immutable]);
  });

  it.each([
    "/assets/",
    "/assets/none.js",
    "/assets/index-fake.js/",
    "/assets/index-fake.js.br",
    "/assets/index-fake.js%00",
    "/assets/index-fake.js%00.css",
    "/assets//index-fake.js",
    "/assets/%69ndex-fake.js.gz",
    "/assets/../outside.js",
    "/assets/..%2foutside.js",
    "/assets/%2e%2e/outside.js",
    "/assets/%2e%2e%2foutside.js",
    "/assets/..%5coutside.js",
    "/assets/..\\outside.js",
    "/assets/%252e%252e%252foutside.js",
    "/assets/..%c0%afoutside.js",
    "/assets/../../../../../../etc/passwd",
    "/assets/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/assets//etc/passwd",
    "/assets/%2fetc%2fpasswd",
    "/assets/constructor",
    "/assets/__proto__",
  ])("is nothing outside the build's: %s", async (address) => {
    const raw = await sendRaw(
      api.url,
      `GET ${address} HTTP/1.1\r\nhost: ${new URL(api.url).host}\r\nconnection: close\r\n\r\n`,
    );
    expect(raw).toMatch(/^HTTP\/1\.1 40[04] /);
    expect(raw).not.toMatch(/root:|outside|immutable/);
  });
});

/** Unlike `fetch`, decodes nothing. */
async function fetchRaw(
  requestPath: string,
  accepted: string,
): Promise<{ readonly headers: Headers; readonly bytes: Buffer }> {
  const { host, hostname, port } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `GET ${requestPath} HTTP/1.1\r\nhost: ${host}\r\naccept-encoding: ${accepted}\r\nconnection: close\r\n\r\n`,
  );
  const all = await buffer(socket);
  const end = all.indexOf("\r\n\r\n");
  const lines = all.subarray(0, end).toString("latin1").split("\r\n").slice(1);
  const headers = new Headers(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  return { headers, bytes: all.subarray(end + 4) };
}
