import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import {
  ask,
  asRecord,
  failureOf,
  generations,
  name,
  path,
  startFixture,
  tokenFor,
  value,
} from "../testing/fixture.ts";
import type { Fixture } from "../testing/fixture.ts";

const scopeOf = ({ emulator }: Fixture) => ({ workspaceId: emulator.projectId, environment: "dev" });

test("a lagging replica shows recent changes only in later reads", async () => {
  await using fixture = await startFixture();
  const { client, emulator } = fixture;
  await client.putSecret(path, name, value);
  emulator.faults.add({ kind: "replica-lag" }, { method: "GET", path: /secrets/, times: 2 });
  await client.putSecret(path, name, "sk_test_fake_codewiser_0002");
  expect(await client.findSecret(path, name)).toMatchObject({ value, version: 1 });
  expect(await client.listSecrets(path)).toMatchObject([{ value, version: 1 }]);
  expect(await client.findSecret(path, name)).toMatchObject({
    value: "sk_test_fake_codewiser_0002",
    version: 2,
  });
});

test.for(generations)(
  "does not send again what the caller has, unless that is switched off (%s)",
  async (generation) => {
    for (const etags of [true, false]) {
      await using fixture = await startFixture({ emulator: { generation, etags } });
      const token = await tokenFor(fixture.emulator, fixture.emulator);
      const query = new URLSearchParams({ ...scopeOf(fixture), secretPath: path }).toString();
      const read = async (known: string) => {
        const target = `${fixture.emulator.siteUrl}/api/v3/secrets/raw/${name}?${query}`;
        const headers = { authorization: `Bearer ${token}`, "if-none-match": known };
        const response = await fetch(target, { headers });
        await response.text();
        return { status: response.status, etag: response.headers.get("etag") };
      };
      await fixture.client.putSecret(path, name, value);
      const first = await read('"other"');
      expect([first.status, first.etag !== null]).toEqual([200, etags]);
      expect((await read(first.etag ?? "")).status).toBe(etags ? 304 : 200);
      await fixture.client.putSecret(path, name, value);
      expect((await read(first.etag ?? "")).status).toBe(200);
    }
  },
);

test("lets an identity that may only read do nothing else", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  const viewer = fixture.clientWith(await fixture.emulator.addIdentity({ isReadOnly: true }));
  expect(await viewer.findSecret(path, name)).toMatchObject({ value });
  const writes = [
    viewer.putSecret(path, name, value),
    viewer.deleteSecret(path, name),
    viewer.createFolder("/new"),
    viewer.deleteFolder(path),
  ];
  const failures = await Promise.all(writes.map((write) => failureOf(write)));
  expect(failures.map(({ code }) => code)).toEqual(failures.map(() => "FORBIDDEN"));
});

test("serves the newer addresses as well, as a server of today, and not as an older one", async () => {
  await using fixture = await startFixture();
  const { emulator } = fixture;
  const token = await tokenFor(emulator, emulator);
  const scope = { projectId: emulator.projectId, environment: "dev" };
  const send = (method: string, target: string, body?: unknown) =>
    ask(emulator, { method, target, body, token });
  const query = new URLSearchParams({ ...scope, secretPath: "/a", path: "/" }).toString();
  expect((await send("POST", "/api/v2/folders", { ...scope, name: "a", path: "/" })).status).toBe(200);
  const secret = { ...scope, secretPath: "/a", secretValue: "fake" };
  expect((await send("POST", "/api/v4/secrets/ONE", secret)).status).toBe(200);
  const items = [{ secretKey: "TWO", secretValue: "fake" }];
  expect((await send("POST", "/api/v4/secrets/batch", { ...secret, secrets: items })).status).toBe(200);
  const listed = await send("GET", `/api/v4/secrets?${query}`);
  const secretKeys = (Array.isArray(listed.body["secrets"]) ? listed.body["secrets"] : []).map(
    (item) => asRecord(item)["secretKey"],
  );
  expect(new Set(secretKeys)).toEqual(new Set(["ONE", "TWO"]));
  expect((await send("DELETE", "/api/v2/folders/a", { ...scope, path: "/" })).status).toBe(400);
  expect((await send("DELETE", "/api/v2/folders/a", { ...scope, path: "/", forceDelete: true })).status).toBe(
    200,
  );

  await using older = await startFixture({ emulator: { generation: "older" } });
  const absent = await ask(older.emulator, { method: "GET", target: `/api/v4/secrets?${query}` });
  expect([absent.status, absent.body["error"]]).toEqual([404, "Not Found"]);
});

test("each change sends a signed webhook, and an unreachable webhook fails no change", async () => {
  const deliveries: { body: string; signature: string }[] = [];
  const receiver = createServer((request, response) => {
    const receive = async () => {
      const signature = String(request.headers["x-infisical-signature"]);
      deliveries.push({ body: await text(request), signature });
      response.end();
    };
    void receive();
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const address = receiver.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/changed`;
  const secretKey = "fake-webhook-key";
  await using fixture = await startFixture({ emulator: { webhook: { url, secretKey } } });

  await fixture.client.putSecret(path, name, value);
  await fixture.client.findSecret(path, name);
  await failureOf(fixture.client.putSecret(path, name, "${MISSING}"));
  await fixture.client.deleteSecret(path, name);
  await vi.waitFor(() => expect(deliveries).toHaveLength(2), 60_000);
  for (const { body, signature } of deliveries) {
    const [, at, hex] = /^t=(\d+);([0-9a-f]{64})$/.exec(signature) ?? [];
    expect(hex).toBe(createHmac("sha256", secretKey).update(body).digest("hex"));
    expect(JSON.parse(body)).toMatchObject({
      event: "secrets.modified",
      project: { workspaceId: fixture.emulator.projectId, environment: "dev", secretPath: path },
      timestamp: Number(at),
    });
    expect(body).not.toContain(name);
  }
  receiver.close();
  receiver.closeAllConnections();
  expect(await fixture.client.putSecret(path, name, value)).toMatchObject({ created: true });
});
