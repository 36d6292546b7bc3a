import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createOutbound, OutboundError, standardFetch } from "./index.ts";
import { answering, listen, type Listener, ok } from "./testing/listener.ts";

let listener: Listener;
beforeEach(async () => {
  listener = await listen(ok);
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await listener.stop();
});

const fetchThrough = (at: Listener) => standardFetch(createOutbound({ allow: [`127.0.0.1:${at.port}`] }));
const url = () => `http://127.0.0.1:${listener.port}/token`;

test("a form is sent as a form, and the answer is one of fetch", async () => {
  const answer = await fetchThrough(listener)(url(), {
    method: "post",
    headers: { accept: "application/json" },
    body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: "fake token" }),
  });
  expect([answer.status, answer.ok, await answer.text()]).toEqual([200, true, "ok"]);
  expect(listener.received()).toMatch(/^POST \/token HTTP\/1\.1\r\n/);
  expect(listener.received()).toMatch(/content-type: application\/x-www-form-urlencoded;charset=UTF-8\r\n/);
  expect(listener.received()).toMatch(/grant_type=refresh_token&refresh_token=fake\+token$/);
});

test.for([
  ["a text", "fake", "text/plain;charset=UTF-8"],
  ["bytes", new TextEncoder().encode("fake"), undefined],
  ["a stream", () => new Blob(["fake"]).stream(), undefined],
] as const)("%s is a body, also where a server has replaced the global Response", async ([, body, type]) => {
  vi.stubGlobal("Response", OtherResponse);
  await fetchThrough(listener)(new URL(url()), {
    method: "PUT",
    body: typeof body === "function" ? body() : body,
  });
  const [head = "", sent] = listener.received().split("\r\n\r\n");
  expect(sent).toBe("fake");
  expect(/content-type: (.*)/.exec(head)?.[1]).toBe(type);
});

/** Takes every body for a text, as that of @hono/node-server does. */
class OtherResponse extends Response {
  constructor(...given: ConstructorParameters<typeof Response>) {
    super(...given);
    if (!this.headers.has("content-type")) this.headers.set("content-type", "text/plain; charset=UTF-8");
  }
}

test("a type that the caller names stays", async () => {
  const headers = new Headers({ "Content-Type": "application/json" });
  await fetchThrough(listener)(url(), { method: "POST", headers, body: "{}" });
  expect(listener.received().match(/content-type: .*/g)).toEqual(["content-type: application/json"]);
});

test.for([204, 304, 302])("%d is an answer without a body, and no redirect is followed", async (status) => {
  const bare = await listen(
    answering((socket) => socket.end(`HTTP/1.1 ${status} x\r\nlocation: ${url()}\r\n\r\n`)),
  );
  const answer = await fetchThrough(bare)(`http://127.0.0.1:${bare.port}/`);
  expect([answer.status, await answer.text()]).toEqual([status, ""]);
  expect(listener.connections()).toBe(0);
  await bare.stop();
});

test("a private address is refused, and a signal ends the request", async () => {
  const refused = standardFetch(createOutbound())(url());
  await expect(refused).rejects.toThrow(OutboundError);
  await expect(refused).rejects.toMatchObject({ code: "ADDRESS" });
  const ended = fetchThrough(listener)(url(), { signal: AbortSignal.abort() });
  await expect(ended).rejects.toMatchObject({ code: "ABORTED" });
  expect(listener.connections()).toBe(0);
});

test.for(["CONNECT", "TRACE", "X"])("the method %s is not sent", async (method) => {
  await expect(fetchThrough(listener)(url(), { method })).rejects.toThrow(TypeError);
  expect(listener.connections()).toBe(0);
});
