import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createOutbound } from "./index.ts";
import { createAuthority, selfSigned, type Authority, type Certificate } from "./testing/certificates.ts";
import { listen, type Listener, ok } from "./testing/listener.ts";

const host = "hooks.example.com";
let authority: Authority;
beforeAll(() => {
  authority = createAuthority("Fake authority of the tests");
});

let server: Listener | undefined;
afterEach(() => server?.stop());

const fetchFrom = async (
  certificate: Parameters<typeof listen>[1],
  { talk = ok, ca = authority.certificate.cert, at = host } = {},
) => {
  server = await listen(talk, certificate);
  const outbound = createOutbound({
    allow: [`${at}:${server.port}`],
    resolve: () => Promise.resolve(["127.0.0.1"]),
    ca,
  });
  return outbound.fetch(`https://${at}:${server.port}/x`, { method: "POST", body: "body", timeoutMs: 2000 });
};

test("a certificate of the host is accepted, and the request arrives", async () => {
  const { status, body } = await fetchFrom(authority.issue(host));
  expect([status, body.toString()]).toEqual([200, "ok"]);
  expect(server?.received()).toMatch(/^POST \/x HTTP\/1\.1\r\n[^]*\r\n\r\nbody$/);
  expect(server?.received()).toContain(`host: ${host}:${server?.port}\r\n`);
});

test("the server is told the name of the host, and no name for an IP address", async () => {
  const told: unknown[] = [];
  const talk = (socket: Socket): void => {
    told.push(socket instanceof TLSSocket && socket.servername);
    ok(socket);
  };
  await fetchFrom(authority.issue(host), { talk });
  await server?.stop();
  await fetchFrom(authority.issue("127.0.0.1"), { talk, at: "127.0.0.1" });
  expect(told).toEqual([host, false]);
});

test("a certificate of an allowed IP address is accepted", async () => {
  expect((await fetchFrom(authority.issue("127.0.0.1"), { at: "127.0.0.1" })).status).toBe(200);
});

const past = { from: new Date("2020-01-01"), until: new Date("2020-02-01") };
const future = { from: new Date("2048-01-01"), until: new Date("2048-02-01") };

describe("nothing is sent to a server with", () => {
  test.for<readonly [string, () => Certificate]>([
    ["a self-signed certificate", () => selfSigned(host)],
    ["an expired certificate", () => authority.issue(host, past)],
    ["a certificate that is not valid yet", () => authority.issue(host, future)],
    ["a certificate of another name", () => authority.issue("hooks.example.net")],
    ["a certificate of the IP address", () => authority.issue("127.0.0.1")],
    ["a certificate of another authority", () => createAuthority("Another").issue(host)],
    ["TLS 1.1 alone", () => ({ ...authority.issue(host), maxVersion: "TLSv1.1" })],
  ])("%s", async ([, certificate]) => {
    // A variable with which a developer turns the verification of a whole process off.
    for (const value of ["", "0"]) {
      vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", value);
      await expect(fetchFrom(certificate())).rejects.toMatchObject({ code: "TLS" });
      expect(server?.connections()).toBe(1);
      expect(server?.received()).toBe("");
      await server?.stop();
      server = undefined;
    }
  });

  test("a good certificate that the authorities of Node.js do not know", async () => {
    server = await listen(ok, authority.issue(host));
    const outbound = createOutbound({
      allow: [`${host}:${server.port}`],
      resolve: () => Promise.resolve(["127.0.0.1"]),
    });
    await expect(outbound.fetch(`https://${host}:${server.port}/`, { method: "GET" })).rejects.toMatchObject({
      code: "TLS",
    });
  });

  test("no handshake but an end of the connection", async () => {
    server = await listen((socket) => socket.end());
    const outbound = createOutbound({
      allow: [`${host}:${server.port}`],
      resolve: () => Promise.resolve(["127.0.0.1"]),
    });
    const answer = outbound.fetch(`https://${host}:${server.port}/`, { method: "GET" });
    await expect(answer).rejects.toMatchObject({ code: "TLS" });
  });

  test("no encryption at all", async () => {
    const talk = (socket: Socket): void => {
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    };
    await expect(fetchFrom(undefined, { talk })).rejects.toMatchObject({ code: "TLS" });
    expect(server?.received()).not.toContain("POST");
  });
});

test("TLS 1.2 is accepted", async () => {
  const { status } = await fetchFrom({ ...authority.issue(host), maxVersion: "TLSv1.2" });
  expect(status).toBe(200);
});

test("a server that stays silent instead of encrypting is given up", async () => {
  server = await listen(() => {});
  const outbound = createOutbound({
    allow: [`${host}:${server.port}`],
    resolve: () => Promise.resolve(["127.0.0.1"]),
  });
  const before = performance.now();
  await expect(
    outbound.fetch(`https://${host}:${server.port}/`, { method: "GET", connectTimeoutMs: 100 }),
  ).rejects.toMatchObject({ code: "TIMEOUT" });
  expect(performance.now() - before).toBeLessThan(1500);
});
