import { once } from "node:events";
import { createServer } from "node:http";
import { createOutbound } from "@repo/outbound";
import { whenDone } from "@repo/db/testing";
import { startWebhookReceiver, type WebhookReceiver } from "@repo/providers/webhook-receiver";
import { beforeAll, expect, test } from "vitest";
import { createFixture, listen, operator, type Fixture } from "./testing/fixture.ts";
import { cli, failing, printed, startCli } from "./testing/run-cli.ts";

let fixture: Fixture;
let receiver: WebhookReceiver;
/** Where nothing listens yet. */
let freeUrl: string;
beforeAll(async () => {
  receiver = await startWebhookReceiver();
  whenDone(() => receiver.stop());
  const server = createServer();
  freeUrl = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  const allow = [receiver.url, freeUrl].map((url) => new URL(url).host);
  fixture = await createFixture(undefined, createOutbound({ allow }));
});

const run = (...args: readonly string[]) => printed(["webhooks", ...args], fixture.remote);
const json = async (...args: readonly string[]) => JSON.parse((await run(...args, "--json")).stdout);

test("an endpoint is added, tested, changed, rolled and removed, and each secret is printed alone", async () => {
  const added = await cli(
    ["webhooks", "add", `${receiver.url}/a`, "--types", "key.rotated", "--description", "Ours"],
    fixture.remote,
  );
  const secret = /^(whsec_\S+)\n$/.exec(added.stdout)?.[1] ?? "";
  expect(added.stderr).toMatch(/will not be shown again.*The endpoint is [\w-]+, and its public key whpk_/);
  expect(added.stderr).not.toContain("whsec_");
  const { endpoints } = await json("list");
  const [{ id, publicKey }] = endpoints;
  expect(endpoints).toMatchObject([{ state: "unverified", types: ["key.rotated"], description: "Ours" }]);

  receiver.trust({ secret, publicKey });
  expect((await run("test", id)).stdout).toMatch(/^Delivered in \d+ ms\.\n$/);
  expect(receiver.deliveries()).toMatchObject([{ path: "/a", v1: "ok", v1a: "ok" }]);
  expect((await run("update", id, "--types", "all")).stdout).toBe("Changed. The endpoint is active.\n");
  const [, listed = ""] = (await run("list")).stdout.split("\n");
  // The test that the endpoint got when it was added waits for a process that sends.
  expect(listed.split(/ {2,}/)).toEqual([id, `${receiver.url}/a`, "active", "1", "0", "all", publicKey]);

  const rolled = await run("roll", id, "--overlap", "1h");
  expect(rolled.stdout).toMatch(/^whsec_\S+\n$/);
  expect(rolled.stdout).not.toContain(secret);
  expect(rolled.stderr).toMatch(/signs as well until \d{4}-/);
  expect(await failing(["webhooks", "roll", id], fixture.remote)).toMatchObject({ code: "CONFLICT" });
  expect(await failing(["webhooks", "remove", id], fixture.remote)).toMatchObject({ code: "USAGE" });
  expect((await run("remove", id, "--yes")).stdout).toBe(`The endpoint ${id} is removed.\n`);
  expect(await json("list")).toEqual({ endpoints: [] });
});

test("a test that is not delivered fails, and the log shows it until it is sent again", async () => {
  const { endpoint } = await json("add", receiver.url);
  const { id } = endpoint;
  receiver.faults.add({ fault: "status", status: 500 });
  expect(await failing(["webhooks", "test", id], fixture.remote)).toMatchObject({
    exitCode: 1,
    message: expect.stringMatching(/^The test was not delivered: STATUS, a 5xx, after \d+ ms\.$/),
  });
  const { deliveries } = await json("log", id);
  expect(deliveries[0]).toMatchObject({
    type: "webhook.test",
    state: "waiting",
    attempts: [{ status: 500 }],
  });
  expect((await run("log", id)).stdout).toMatch(
    /^DELIVERY .*\n[\w-]+ +webhook\.test +waiting +\S+ \S+ +1 +500 +\S+ \S+\n/,
  );
  expect((await run("log", id, "--state", "dead")).stdout).toBe("There are none.\n");
  const since = new Date(Date.now() - 3_600_000).toISOString();
  expect((await run("replay", "--endpoint", id, "--since", since)).stdout).toBe(
    "0 deliveries are sent again.\n",
  );
  expect(await failing(["webhooks", "replay", "--endpoint", id], fixture.remote)).toMatchObject({
    code: "INVALID_INPUT",
  });
  expect((await run("test", id)).stdout).toMatch(/^Delivered/);
  expect((await run("pause", id)).stdout).toBe('Paused. "webhooks resume" sends what waits.\n');
  expect(await failing(["webhooks", "test", id], fixture.remote)).toMatchObject({ code: "CONFLICT" });
  expect((await run("resume", id)).stdout).toBe("Resumed. The endpoint is active.\n");
});

test("a local receiver prints what an endpoint's secret has signed, and refuses the rest", async () => {
  const { secret, endpoint } = await json("add", freeUrl);
  const child = startCli(["webhooks", "listen", "--port", new URL(freeUrl).port], { WEBHOOK_SECRET: secret });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => (said.stdout += String(text)));
  child.stderr.on("data", (text) => (said.stderr += String(text)));
  await expect
    .poll(() => said.stderr, { timeout: 60_000 })
    .toContain(`Listening at ${freeUrl}, until Ctrl-C.`);
  expect((await run("test", endpoint.id)).stdout).toMatch(/^Delivered/);
  await expect.poll(() => said.stdout).toMatch(/^webhook\.test {2}msg_[0-9a-f]{32}\n$/);
  const statusOf = async (init: RequestInit) => (await fetch(freeUrl, init)).status;
  expect(await statusOf({ method: "POST", body: '{"type":"webhook.test"}' })).toBe(401);
  expect(await statusOf({ method: "POST", body: "x".repeat(70_000) })).toBe(413);
  expect(await statusOf({})).toBe(405);
  expect(said.stdout.split("\n")).toHaveLength(2);
  await expect.poll(() => said.stderr).toMatch(/no key that is given has signed it.*too large.*no POST/s);
  child.kill("SIGINT");
  expect(await once(child, "close")).toEqual([0, null]);
  expect(said.stderr).not.toContain(secret);
  const malformed = failing(["webhooks", "listen"], { WEBHOOK_SECRET: "whsec_fake" });
  expect(await malformed).toMatchObject({ code: "USAGE", message: expect.stringContaining("whsec_") });
  expect(await failing(["webhooks", "listen"])).toMatchObject({ code: "USAGE" });
});

test("types are listed; those that are none, and addresses that are none, are refused", async () => {
  expect((await run("types")).stdout.split("\n")).toEqual(expect.arrayContaining(["key.rotated"]));
  const add = (...args: readonly string[]) => failing(["webhooks", "add", ...args], fixture.remote);
  expect(await add(receiver.url, "--types", "key.rotatd")).toMatchObject({
    message: '--types is a list of what "webhooks types" lists.',
  });
  expect(await add("hooks.example.com")).toMatchObject({ message: expect.stringContaining("<url>") });
  expect(await add("https://127.0.0.1/")).toMatchObject({ code: "INVALID_INPUT" });
});

test("an operator is told who has the endpoints of a company", async () => {
  await fixture.secrets.admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  expect(await failing(["webhooks", "list", "--company", "acmecorp"], fixture.remote)).toMatchObject({
    exitCode: 4,
    message: expect.stringContaining("managed by its owners and admins, in the admin app"),
  });
});
