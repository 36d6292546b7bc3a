import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { TenantSecretsError, wire, wrongRegion } from "@repo/catalog";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { type ClientOptions, createTenantSecretsClient } from "./client.ts";

const credential = "tsk_fake_of_us";
const ofEu = "tsk_fake_of_eu";

interface Region {
  readonly url: string;
  /** What was asked for, with which credential and body. */
  readonly calls: { readonly path: string; readonly credential: string | undefined; readonly body: string }[];
}

const running: Server[] = [];
afterEach(() => {
  for (const server of running.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A region whose API answers each call so, however many there are in a request. */
async function region(answer: (url: string) => { readonly result: object } | { readonly error: object }) {
  const calls: Region["calls"] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    const respond = async (): Promise<void> => {
      const body = await text(request);
      calls.push({ path, credential: request.headers.authorization, body });
      const { pathname, searchParams } = new URL(path, "http://region");
      const answers = pathname.split(",").map(() => answer(url));
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(searchParams.has("batch") ? answers : answers[0]));
    };
    void respond();
  });
  running.push(server.listen(0, "localhost"));
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const url = `http://localhost:${address.port}`;
  return { url, calls };
}

const answering = (value: unknown) => () => ({ result: { data: wire.output.serialize(value) } });
/** As the API answers with it. @param homeAddress default: that of the region itself, which must not be called again */
const sendingTo = (homeRegion: string, homeAddress?: string) => (own: string) => {
  const { message } = wrongRegion(homeRegion, homeAddress ?? own);
  const data = { reason: "WRONG_REGION", homeRegion, homeAddress: homeAddress ?? own, httpStatus: 409 };
  return { error: wire.output.serialize({ code: -32_009, message, data }) };
};

type Options = Partial<ClientOptions<typeof deliveryChatCatalog>>;
const companyAt = (url: string, options: Options = {}) =>
  createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog, ...options }).company("acme");

const written = { version: 3 };

async function errorOf(call: Promise<unknown>): Promise<TenantSecretsError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof TenantSecretsError) return error;
  throw new Error("did not fail with a TenantSecretsError", { cause: error });
}

describe("a client that knows other regions", () => {
  it("makes a write at the company's home, with the credential of that region, once", async () => {
    const eu = await region(answering(written));
    const us = await region(sendingTo("eu"));
    const company = companyAt(us.url, { otherRegions: { eu: { url: eu.url, credential: ofEu } } });
    expect(await company.set("CUSTOM_A", "fake_value")).toEqual(written);
    expect(us.calls.map((call) => call.credential)).toEqual([`Bearer ${credential}`]);
    expect(eu.calls).toEqual([
      { path: "/trpc/secrets.write", credential: `Bearer ${ofEu}`, body: us.calls[0]?.body },
    ]);
    expect(eu.calls[0]?.body).toContain("fake_value");
  });

  it("makes each query of a batch there, and answers the others from here", async () => {
    const history = { versions: [], next: undefined, removedAt: undefined, recoverUntil: undefined };
    const eu = await region(answering(history));
    const us = await region(sendingTo("eu"));
    const company = companyAt(us.url, { otherRegions: { eu: { url: eu.url, credential: ofEu } } });
    const both = await Promise.all([company.history("CUSTOM_A"), company.history("CUSTOM_B")]);
    expect(both).toEqual([history, history]);
    expect(eu.calls.map((call) => call.credential)).toEqual([`Bearer ${ofEu}`]);
  });

  it("ends where the home answers that another region is the home", async () => {
    const eu = await region(sendingTo("us"));
    const us = await region(sendingTo("eu"));
    const otherRegions = { eu: { url: eu.url, credential: ofEu }, us: { url: us.url, credential } };
    const error = await errorOf(companyAt(us.url, { otherRegions }).set("CUSTOM_A", "fake_value"));
    expect([error.code, error.homeRegion]).toEqual(["WRONG_REGION", "us"]);
    expect([us.calls.length, eu.calls.length]).toEqual([1, 1]);
  });

  it.each(["eu", "constructor", "__proto__", ""])(
    "sends nothing to an address that an answer alone names, for region %j",
    async (named) => {
      const trap = await region(answering(written));
      const us = await region(sendingTo(named, trap.url));
      const otherRegions = { ap: { url: "http://localhost:9", credential: ofEu } };
      const error = await errorOf(companyAt(us.url, { otherRegions }).set("CUSTOM_A", "fake_value"));
      expect([error.code, error.homeRegion, error.homeAddress]).toEqual(["WRONG_REGION", named, trap.url]);
      expect(trap.calls).toEqual([]);
    },
  );

  it("sends to the address that it was given, not to the one in the answer", async () => {
    const trap = await region(answering(written));
    const eu = await region(answering(written));
    const us = await region(sendingTo("eu", trap.url));
    const company = companyAt(us.url, { otherRegions: { eu: { url: eu.url, credential: ofEu } } });
    await company.set("CUSTOM_A", "fake_value");
    expect([eu.calls.length, trap.calls.length]).toEqual([1, 0]);
  });

  it("makes no call once more for any other error", async () => {
    const eu = await region(answering(written));
    const data = { reason: "CONFLICT", homeRegion: "eu", httpStatus: 409 };
    const us = await region(() => ({
      error: wire.output.serialize({ code: -32_009, message: "It changed.", data }),
    }));
    const company = companyAt(us.url, { otherRegions: { eu: { url: eu.url, credential: ofEu } } });
    expect((await errorOf(company.set("CUSTOM_A", "fake_value"))).code).toBe("CONFLICT");
    expect(eu.calls).toEqual([]);
  });

  it("refuses an address or a credential of another region that can be none before its first call", () => {
    const place = { url: "http://localhost:9", credential: ofEu };
    for (const eu of [
      { ...place, url: "eu.example.com" },
      { ...place, credential: "fake\n" },
    ]) {
      expect(() => companyAt("http://localhost:9", { otherRegions: { eu } })).toThrow(TenantSecretsError);
    }
  });
});
