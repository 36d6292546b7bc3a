import { inspect } from "node:util";
import { expect, test, vi } from "vitest";
import type { Fault } from "./emulator/index.ts";
import { InfisicalError } from "./errors.ts";
import {
  business,
  calls,
  failureOf,
  generations,
  login,
  name,
  path,
  startFixture,
  value,
} from "./testing/fixture.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 20_000 });

test.for(generations)(
  "says nothing in an error that belongs to a company, a server or a credential, and prints nothing (%s)",
  async (generation) => {
    const written: string[] = [];
    const spies = [process.stdout, process.stderr].map((stream) =>
      vi.spyOn(stream, "write").mockImplementation((chunk) => written.push(String(chunk)) > 0),
    );
    const errors: InfisicalError[] = [];
    await using fixture = await startFixture({ emulator: { generation } });
    const { emulator } = fixture;
    await fixture.client.putSecret(path, name, value);
    const answers = [400, 401, 403, 404, 422, 429, 500, 502, 304].map(
      (status) => ({ kind: "answer", status }) as const,
    );
    const echo = { message: `${value} at ${path} of ${emulator.projectId}`, error: emulator.clientSecret };
    const faults: Fault[] = [
      ...answers.flatMap((answer) => [
        answer,
        { ...answer, body: echo },
        { ...answer, headers: { "retry-after": "9" } },
      ]),
      { kind: "reset" },
      { kind: "truncated-body" },
      { kind: "hidden-values" },
    ];
    for (const [index, fault] of faults.entries()) {
      // After a refused log-in, these credentials are not tried again for a while.
      const client = fixture.clientWith({ ...(await emulator.addIdentity({})), deadlineMs: 50 });
      for (const [, call] of calls) {
        emulator.faults.add(fault, { times: 9, path: business });
        await call(client).catch((error: unknown) => errors.push(asInfisicalError(error)));
        emulator.faults.clear();
      }
      emulator.faults.add(fault, { times: 9, path: login });
      const stranger = fixture.clientWith({ clientSecret: `wrong-fake-secret-${index}`, deadlineMs: 50 });
      errors.push(await failureOf(stranger.ping()));
      emulator.faults.clear();
    }
    for (const bad of ["/tenants/acmecorp/../x", "acmecorp"])
      errors.push(await failureOf(fixture.client.listSecrets(bad)));
    errors.push(await failureOf(fixture.client.putSecret(path, name, ` ${value}`)));
    for (const spy of spies) spy.mockRestore();
    expect(new Set(errors.map(({ code }) => code)).size).toBeGreaterThanOrEqual(7);
    const { clientSecret, projectId, siteUrl } = emulator;
    const forbidden = [
      value,
      "acmecorp",
      projectId,
      clientSecret,
      siteUrl,
      "127.0.0.1",
      "wrong-fake-secret",
      "eyJ",
    ];
    const shown = [
      ...errors.map((error) => inspect(error, { depth: null, showHidden: true })),
      ...written,
    ].join("\n");
    expect(forbidden.filter((text) => shown.includes(text))).toEqual([]);
  },
);

function asInfisicalError(error: unknown): InfisicalError {
  if (error instanceof InfisicalError) return error;
  throw error;
}
