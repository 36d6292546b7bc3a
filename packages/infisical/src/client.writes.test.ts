import { describe, expect, test, vi } from "vitest";
import type { Fault } from "./emulator/index.ts";
import {
  count,
  failureOf,
  generations,
  html,
  name,
  path,
  startFixture,
  value,
  writes,
} from "./testing/fixture.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 20_000 });

describe.for(generations)("a server: %s", (generation) => {
  test.concurrent.for<{ fault: Fault }>([
    { fault: { kind: "reset", afterApply: true } },
    { fault: { kind: "truncated-body" } },
    { fault: { kind: "answer", status: 500, afterApply: true } },
    { fault: { kind: "answer", status: 504, body: html, afterApply: true } },
    { fault: { kind: "answer", status: 200, body: html, afterApply: true } },
    { fault: { kind: "answer", status: 200, body: { approval: {} }, afterApply: true } },
  ])(
    "settles a write that was applied without a good answer, and sends it once ($fault.kind $fault.status)",
    async ({ fault }) => {
      await using fixture = await startFixture({ emulator: { generation } });
      const { client, emulator } = fixture;
      const once = async (method: string, target: RegExp, call: () => Promise<unknown>) => {
        const before = count(fixture, method, target);
        emulator.faults.add(fault, { method, path: target });
        const result = await call();
        expect(count(fixture, method, target) - before).toBe(1);
        return result;
      };
      await once("POST", /folders/, () => client.createFolder(path));
      expect(await once("POST", /secrets/, () => client.putSecret(path, name, value))).toEqual({
        created: true,
        version: 1,
      });
      const second = await once("PATCH", /secrets/, () =>
        client.putSecret(path, name, "sk_test_fake_codewiser_0002"),
      );
      expect(second).toEqual({ created: false, version: 2 });
      expect(await once("DELETE", /secrets/, () => client.deleteSecret(path, name))).toBe(true);
      await once("DELETE", /folders/, () => client.deleteFolder(path));
      expect(await client.listFolders("/tenants")).toEqual([]);
    },
  );

  test.concurrent.for<{ fault: Fault; code: string }>([
    { fault: { kind: "reset" }, code: "AMBIGUOUS" },
    { fault: { kind: "answer", status: 502, body: html }, code: "AMBIGUOUS" },
    { fault: { kind: "answer", status: 500 }, code: "SERVER_ERROR" },
    { fault: { kind: "answer", status: 200, body: html }, code: "INVALID_RESPONSE" },
    { fault: { kind: "answer", status: 200, body: { approval: {} } }, code: "INVALID_RESPONSE" },
    {
      fault: { kind: "answer", status: 403, body: { message: "You are not allowed to edit on secrets" } },
      code: "FORBIDDEN",
    },
  ])(
    "a write without a visible effect is never repeated, and fails with what is known of it: $code",
    async ({ fault, code }) => {
      await using fixture = await startFixture({ emulator: { generation } });
      await fixture.client.putSecret(path, name, value);
      for (const [title, call] of Object.entries(writes)) {
        const [method, target] = targetOf(title);
        const before = count(fixture, method, target);
        fixture.emulator.faults.add(fault, { method, path: target });
        expect((await failureOf(call(fixture.client))).code).toBe(code);
        expect(count(fixture, method, target) - before).toBe(1);
      }
      expect((await fixture.client.findSecret(path, name))?.value).toBe(value);
    },
  );

  test.concurrent.for<{ fault: Fault }>([
    { fault: { kind: "stalled-headers", afterApply: true } },
    { fault: { kind: "stalled-body" } },
  ])("gives a silent write up early enough to learn what became of it ($fault.kind)", async ({ fault }) => {
    await using fixture = await startFixture({ emulator: { generation } });
    await fixture.client.putSecret(path, name, value);
    const client = fixture.clientWith({ deadlineMs: 2_000 });
    fixture.emulator.faults.add(fault, { method: "PATCH" });
    expect(await client.putSecret(path, name, "sk_test_fake_codewiser_0002")).toEqual({
      created: false,
      version: 2,
    });
    fixture.emulator.faults.add({ kind: "stalled-headers" }, { method: "PATCH" });
    expect((await failureOf(client.putSecret(path, name, value))).code).toBe("AMBIGUOUS");
    expect(count(fixture, "PATCH", /secrets/)).toBe(3);
  });

  test.concurrent("says that a write is ambiguous when the re-read fails as well", async () => {
    await using fixture = await startFixture({ emulator: { generation } });
    await fixture.client.putSecret(path, name, value);
    fixture.emulator.faults.add({ kind: "reset", afterApply: true }, { method: "PATCH" });
    fixture.emulator.faults.add({ kind: "answer", status: 500 }, { method: "GET", path: /secrets/ });
    expect((await failureOf(fixture.client.putSecret(path, name, "sk_test_fake_codewiser_0002"))).code).toBe(
      "AMBIGUOUS",
    );
  });
});

test.concurrent("explains a refusal of a reference that leads nowhere", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  for (const key of [name, "NEW_KEY"]) {
    const error = await failureOf(fixture.client.putSecret(path, key, "${MISSING}"));
    expect(error.code).toBe("INVALID_INPUT");
    expect(error.message).toContain("reference");
  }
});

function targetOf(title: string): [string, RegExp] {
  const method = title === "putSecret" ? "PATCH" : title.startsWith("create") ? "POST" : "DELETE";
  return [method, title.endsWith("Folder") ? /folders/ : /secrets/];
}
