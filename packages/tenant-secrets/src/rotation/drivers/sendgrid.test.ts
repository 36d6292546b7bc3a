import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Plaintext } from "@repo/envelope";
import { createOutbound } from "@repo/outbound";
import { type LocalSendgrid, startLocalSendgrid } from "@repo/providers/sendgrid";
import { driverContract } from "../../testing/driver-contract.ts";
import { type DriverWorld, httpWorld, openTrial, type Trial } from "../../testing/driver-trial.ts";
import { createSendgridDriver } from "./sendgrid.ts";

async function startWorld(local: LocalSendgrid, settings: object = {}): Promise<DriverWorld> {
  const { id, value } = local.addKey({ name: "of a person" });
  return {
    ...httpWorld(local),
    driver: createSendgridDriver(local.url),
    settings,
    current: value,
    currentRef: id,
    unknown: "SG.fake_unknown_to_sendgrid.fake_unknown_to_sendgrid",
    sayings: [
      "asked for",
      "Please wait",
      "authorization grant",
      "access forbidden",
      "unable to find",
      local.url,
    ],
  };
}

driverContract("sendgrid", async () => startWorld(await startLocalSendgrid()));

describe("the driver sendgrid", () => {
  let local: LocalSendgrid;
  let trial: Trial;
  const begin = async (settings?: object): Promise<void> => {
    trial = openTrial(await startWorld(local, settings));
  };
  beforeEach(async () => {
    local = await startLocalSendgrid();
    await begin();
  });
  afterEach(() => local.stop());
  const bodies = () =>
    local
      .requests()
      .filter(({ method }) => method === "POST")
      .map(({ body }) => JSON.parse(body) as { name: string; scopes: string[] });

  test("asks for the scopes of the current key but for those that SendGrid gives by itself", async () => {
    const { value } = local.addKey({ name: "narrow", scopes: ["mail.send", "templates.read"] });
    await trial.make({ current: Plaintext.fromText(value) });
    expect(bodies()).toEqual([{ name: "ts-456789abcdef-1", scopes: ["mail.send", "templates.read"] }]);
  });

  test("asks for the scopes of the settings, and finds a key that lacks one rejected", async () => {
    await begin({ scopes: ["mail.send"] });
    const told = await trial.make();
    expect(bodies()).toMatchObject([{ scopes: ["mail.send"] }]);
    await begin({ scopes: ["templates.read"] });
    expect(await trial.driver.test(trial.call(), told.value)).toBe("rejected");
  });

  test("a key in the place of a manager that lacks the right is not allowed to", async () => {
    const { value } = local.addKey({ name: "narrow", scopes: ["mail.send"] });
    const manager = Plaintext.fromText(value);
    await expect(trial.make({ manager })).rejects.toMatchObject({ code: "not-allowed" });
  });

  test("scopes that the manager cannot give are a mistake in the settings", async () => {
    await begin({ scopes: ["mail.send", "billing.read"] });
    await expect(trial.make()).rejects.toMatchObject({ code: "misconfigured" });
  });

  test("a key of ours is found among 100 with the longest names, and a list without an end is a mistake", async () => {
    const driver = createSendgridDriver(local.url);
    const made = await trial.make();
    const { value } = local.addKey({ name: "of a reader" });
    for (let i = local.liveCredentials().length; i < 100; i++)
      local.addKey({ name: `${i} `.padEnd(100, "für Käufe ") });
    const headers = { authorization: `Bearer ${value}` };
    const list = await (await fetch(`${local.url}/v3/api_keys`, { headers })).text();
    expect(Buffer.byteLength(list)).toBeGreaterThan(16 * 1024);
    expect(await driver.find?.({ ...trial.call(), settings: {} })).toEqual([
      { ref: made.ref, marker: "ts-456789abcdef-1" },
    ]);
    for (let i = 0; i < 1600; i++) local.addKey({ name: `${i} `.padEnd(100, "für Käufe ") });
    await expect(driver.find?.({ ...trial.call(), settings: {} })).rejects.toMatchObject({
      code: "misconfigured",
    });
  });

  test("100 keys are a limit, which leaves the current key as it is", async () => {
    local.faults.add({ fault: "limit", credentials: 1 });
    await expect(trial.make()).rejects.toMatchObject({ code: "limit" });
    await trial.expectLive([]);
  });

  test.for([{ fault: "emptyKey" }, { fault: "otherAccount" }] as const)(
    "an answer with $fault is not taken, and what it left is ended",
    async (fault) => {
      local.faults.add(fault);
      await expect(trial.make()).rejects.toMatchObject({ code: "transient" });
      await trial.recover();
      expect(local.liveCredentials()).toHaveLength(1);
    },
  );

  test("a new key that SendGrid does not know everywhere yet is rejected at first, and accepted later", async () => {
    local.faults.add({ fault: "propagation", for: { calls: 2 } });
    const told = await trial.make();
    const asked = [1, 2, 3].map(() => () => trial.driver.test(trial.call(), told.value));
    const said: string[] = [];
    for (const ask of asked) said.push(await ask());
    expect(said).toEqual(["rejected", "rejected", "accepted"]);
  });

  test("a deleted key that is still accepted is not confirmed until it is rejected", async () => {
    const told = await trial.make();
    local.faults.add({ fault: "slowDeletion", for: { calls: 1 } });
    expect(await trial.driver.retire(trial.call(), told)).toBe("retired");
    expect(await trial.driver.confirm?.(trial.call(), told)).toBe(false);
    expect(await trial.driver.confirm?.(trial.call(), told)).toBe(true);
    const { ref, marker } = told;
    expect(await trial.driver.confirm?.(trial.call(), { ref, marker })).toBe(true);
  });

  test("a wait that SendGrid asks for is passed on, of a day at most", async () => {
    for (const [retryAfter, waitMs] of [
      ["7", 7000],
      ["1000000000", 86_400_000],
      ["-1", undefined],
      ["Thu, 01 Jan 1970 00:00:00 GMT", undefined],
      ["soon", undefined],
    ] as const) {
      local.faults.add({ fault: "status", status: 429, retryAfter, method: "POST" });
      await expect(trial.make()).rejects.toMatchObject({ code: "transient", retryAfterMs: waitMs });
    }
  });

  test.for([401, 403, 404])(
    "a page with the status %d is from something in between, and decides nothing",
    async (status) => {
      const proxy = createServer((_, answer) => answer.writeHead(status).end("<html>Please sign in</html>"));
      proxy.listen(0, "127.0.0.1");
      await once(proxy, "listening");
      const { port } = proxy.address() as AddressInfo;
      try {
        const outbound = createOutbound({ allow: [`127.0.0.1:${port}`] });
        const driver = createSendgridDriver(`http://127.0.0.1:${port}`);
        const call: Parameters<typeof driver.create>[0] = {
          ...trial.call(),
          settings: {},
          fetch: (url, request) => outbound.fetch(url, request),
        };
        expect(await driver.test(call, Plaintext.fromText(trial.world.current))).toBe("unknown");
        await expect(driver.create(call)).rejects.toMatchObject({ code: "transient" });
        await expect(driver.retire(call, { ref: "x", marker: undefined })).rejects.toMatchObject({
          code: "transient",
        });
      } finally {
        proxy.close();
      }
    },
  );

  test("a ref leads to no other address", async () => {
    for (const ref of ["../scopes", "..", ".", "x?y=z", "a/b"]) {
      await trial.attempt(() => trial.driver.retire(trial.call(), { ref, marker: undefined }));
    }
    const paths = local.requests().map(({ path }) => path);
    expect(paths.filter((path) => !/^\/v3\/api_keys\/[^/?]+$/.test(path))).toEqual([]);
    await trial.expectLive([]);
  });
});
