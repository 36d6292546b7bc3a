import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecretsClient, errorOfAnswer, type ClientOptions } from "./client.ts";
import { selfSignedCertificate } from "./testing/self-signed.ts";

const credential = `tsk_fake_${"0".repeat(16)}`;
const value = "fake_canary_0001";

const running: (Server | TcpServer)[] = [];
afterEach(() => {
  for (const server of running.splice(0)) {
    if ("closeAllConnections" in server) server.closeAllConnections();
    server.close();
  }
});

async function listen(server: Server | TcpServer, scheme = "http"): Promise<string> {
  running.push(server.listen(0, "localhost"));
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `${scheme}://localhost:${address.port}`;
}
const serve = (listener: RequestListener) => listen(createServer(listener));

type Options = Partial<ClientOptions<typeof deliveryChatCatalog>>;
const companyAt = (url: string, options: Options = {}) =>
  createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog, ...options }).company("acme");

/** What a write ends with; nothing of what was sent may be in it. */
async function failureOf(url: string, options?: Options): Promise<TenantSecretsError> {
  for (const call of ["write", "list"]) {
    try {
      const company = companyAt(url, options);
      await (call === "write" ? company.set("CUSTOM_A", value) : company.list());
    } catch (error) {
      if (!(error instanceof TenantSecretsError)) throw error;
      expect(`${error.message} ${JSON.stringify(error)}`).not.toMatch(/tsk_fake|canary|localhost:|hunter2/);
      if (call === "list") return error;
    }
  }
  throw new Error("did not fail");
}
const heard = async (url: string, options?: Options) => {
  const { code, message, diagnosis } = await failureOf(url, options);
  return [code, diagnosis, message];
};

describe("the client", () => {
  it.each([301, 302, 303, 307, 308, 300, 304])(
    "follows no redirect and says so: HTTP %i takes neither credential nor value elsewhere",
    async (status) => {
      const elsewhere: unknown[] = [];
      const other = await serve((request, response) => {
        elsewhere.push(request.headers);
        response.end('{"result":{"data":{"json":{"version":7}}}}');
      });
      const url = await serve((_, response) =>
        response.writeHead(status, { location: `${other}/trpc/secrets.write` }).end(),
      );
      expect(await heard(url)).toEqual([
        "STORE_UNAVAILABLE",
        `REDIRECT ${status}`,
        expect.stringContaining("redirect, which is not followed"),
      ]);
      expect(elsewhere).toEqual([]);
    },
  );

  it.each([
    ["before it answers", () => {}],
    [
      "in the middle of its answer",
      ((_, response) => void response.write('{"result":')) satisfies RequestListener,
    ],
  ] as const)("gives up on a server that hangs %s, at its own deadline", async (_, listener) => {
    const url = await serve(listener);
    const startedAt = performance.now();
    expect(await heard(url, { timeoutMs: 200 })).toEqual([
      "STORE_UNAVAILABLE",
      "TIMEOUT",
      expect.stringContaining(
        "within 200 ms. A write may have happened: send it again with the same requestId",
      ),
    ]);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it("sends nothing that is neither JSON nor a date, and says that of its caller", async () => {
    const { trpc } = createTenantSecretsClient({
      url: "http://localhost:1",
      credential,
      catalog: deliveryChatCatalog,
    });
    const call = trpc.secrets.setExpiry.mutate({
      company: "acme",
      secretKey: "CUSTOM_A",
      expiresAt: new Date("none"),
    });
    expect(errorOfAnswer(await call.catch((error: unknown) => error))).toMatchObject({
      code: "INVALID_INPUT",
    });
  });

  it("is ended by its caller as well, and does not call that a fault of the API", async () => {
    const url = await serve(() => {});
    const { trpc } = createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog });
    const ending = new AbortController();
    const call = trpc.secrets.list.query({ company: "acme" }, { signal: ending.signal });
    setTimeout(() => ending.abort(), 50);
    await expect(call).rejects.toMatchObject({ cause: { name: "AbortError" } });
  });

  it.each([
    ["", "has no scheme"],
    ["secrets.example.com", "has no scheme"],
    ["localhost:3000", "has no scheme"],
    ["ftp://secrets.example.com", "has no scheme"],
    ["https://", "has no scheme"],
    ["https://root:hunter2@secrets.example.com", "a user name or a password"],
    ["https://hunter2@secrets.example.com", "a user name or a password"],
    ["https://secrets.example.com/?key=hunter2", "a query or a fragment"],
    ["https://secrets.example.com/#hunter2", "a query or a fragment"],
  ])("refuses an address that can be none before anything is sent: %j", (url, rule) => {
    let message = "taken";
    try {
      companyAt(url);
    } catch (error) {
      message = error instanceof TenantSecretsError ? `${error.code} ${error.message}` : "another error";
    }
    expect(message).toMatch(/^INVALID_INPUT The API's address /);
    expect(message).toContain(rule);
    expect(message).not.toContain("hunter2");
  });

  it.each(["", "tsk_hunter2\n", "tsk_hunter2 ", "tsk_\u0000hunter2", "tsk_hünter2"])(
    "refuses a credential that no header takes, and does not quote it: %j",
    (wrong) => {
      expect(() => companyAt("https://secrets.example.com", { credential: wrong })).toThrow(
        /^The credential is empty, or holds white space(?!.*nter2)/,
      );
    },
  );

  it.each([0, -1, 0.5, Number.NaN, Infinity, 2 ** 31])(
    "refuses a deadline that ends at once: %d ms",
    (timeoutMs) => {
      expect(() => companyAt("https://secrets.example.com", { timeoutMs })).toThrow(
        /^The client's timeoutMs/,
      );
    },
  );

  it("finds the API below a path, with slashes at its end or none", async () => {
    const asked: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      asked.push(request.url);
      response.end('{"result":{"data":{"json":{"version":7}}}}');
    });
    for (const path of ["", "/", "/a/b", "/a/b//"]) await companyAt(`${url}${path}`).set("CUSTOM_A", "a");
    expect(asked).toEqual([
      "/trpc/secrets.write",
      "/trpc/secrets.write",
      "/a/b/trpc/secrets.write",
      "/a/b/trpc/secrets.write",
    ]);
  });

  it("tells a port at which nothing listens from a host that does not exist", async () => {
    const url = await serve(() => {});
    running.pop()?.close();
    expect(await heard(url)).toEqual([
      "STORE_UNAVAILABLE",
      "ECONNREFUSED",
      expect.stringContaining("Nothing listens"),
    ]);
    const [code, diagnosis, message] = await heard("http://secrets.invalid");
    expect([code, diagnosis]).toEqual([
      "STORE_UNAVAILABLE",
      expect.stringMatching(/^(?:ENOTFOUND|EAI_AGAIN)$/),
    ]);
    expect(message).toMatch(/^The host of the API's address (?:is not in the DNS|cannot be looked up)/);
  });

  it("says of a certificate that is not trusted where to put the authority's", async () => {
    const url = await listen(
      createTlsServer(selfSignedCertificate(), (_, response) => response.end()),
      "https",
    );
    expect(await heard(url)).toEqual([
      "STORE_UNAVAILABLE",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      expect.stringContaining("NODE_EXTRA_CA_CERTS"),
    ]);
  });

  it.each([
    ["CERT_HAS_EXPIRED", "not valid today"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "for another host"],
    ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "NODE_EXTRA_CA_CERTS"],
    ["ETIMEDOUT", "Nothing answers at the API's address"],
    ["EHOSTUNREACH", "No way leads to"],
    ["SOMETHING_NEW", "could not be reached"],
  ])("has a sentence for what the platform calls %s", async (code, sentence) => {
    const fetch = () =>
      Promise.reject(
        new TypeError("fetch failed", { cause: Object.assign(new Error(`at ${credential}`), { code }) }),
      );
    expect(await heard("https://secrets.example.com", { fetch })).toEqual([
      "STORE_UNAVAILABLE",
      code,
      expect.stringContaining(sentence),
    ]);
  });

  it("tells TLS from plain HTTP, and a connection that breaks from both", async () => {
    const plain = await serve((_, response) => response.end());
    const [, , asTls] = await heard(plain.replace("http:", "https:"));
    expect(asTls).toMatch(/does not speak TLS as it should|The connection broke/);
    const broken = await listen(createTcpServer((socket) => socket.once("data", () => socket.destroy())));
    expect((await heard(broken))[2]).toContain("The connection broke before the answer was complete");
    const half = await listen(
      createTcpServer((socket) =>
        socket.once("data", () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"result"')),
      ),
    );
    expect((await heard(half))[2]).toContain("The connection broke before the answer was complete");
  });

  it.for<[number, string, string, string | undefined, string]>([
    [200, "text/html", "<!doctype html><title>Log in</title>", "HTML 200", "A page of HTML came"],
    [404, "text/html; charset=utf-8", "<html>", "HTML 404", "A page of HTML came"],
    [200, "text/plain", "\n <html>", "HTML 200", "A page of HTML came"],
    [502, "text/html", "<html>Bad Gateway", "HTML 502", "What stands before the API answered in its place"],
    [
      503,
      "text/plain",
      "no healthy upstream",
      "OTHER 503",
      "What stands before the API answered in its place",
    ],
    [200, "application/json", '{"secrets":[]}', "OTHER_JSON 200", "is not this API (HTTP 200)"],
    [
      404,
      "application/json",
      '{"message":"no Route matched"}',
      "OTHER_JSON 404",
      "is not this API (HTTP 404)",
    ],
    [200, "application/json", "[]", "OTHER_JSON 200", "is not this API"],
    [200, "application/json", "null", "OTHER_JSON 200", "is not this API"],
    [200, "application/json", '{"result":', "NO_JSON 200", "is not this API"],
    [200, "application/json", "", "NO_JSON 200", "is not this API"],
    [404, "application/json", '{"error":"not found"}', undefined, "is not this API"],
    [
      404,
      "application/json",
      '{"error":{"json":{"message":"another tRPC","code":-32004,"data":{}}}}',
      undefined,
      "is not this API",
    ],
    [
      200,
      "application/json",
      '{"result":{"data":{"json":1,"meta":{"values":["Map"]}}}}',
      undefined,
      "is not this API",
    ],
  ])("knows what is no answer of the API: %i, %s, %j", async ([status, type, body, diagnosis, sentence]) => {
    const url = await serve((_, response) => response.writeHead(status, { "content-type": type }).end(body));
    expect(await heard(url)).toEqual(["STORE_UNAVAILABLE", diagnosis, expect.stringContaining(sentence)]);
  });

  it("hears from what stands before the API when to come back", async () => {
    const url = await serve((_, response) => response.writeHead(503, { "retry-after": "7" }).end("busy"));
    expect((await failureOf(url)).retryAfterMs).toBe(7000);
  });
});
