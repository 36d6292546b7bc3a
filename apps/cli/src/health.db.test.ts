import { expect, test } from "vitest";
import { createFixture } from "./testing/fixture.ts";
import { cli, failing } from "./testing/run-cli.ts";

test("operators are shown what works, and that Infisical is down", { timeout: 180_000 }, async () => {
  const fixture = await createFixture();
  const { stdout, exitCode } = await cli(["health"], fixture.remote);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^System +\S+$/m);
  expect(stdout).toMatch(/^Database +ok$/m);
  expect(stdout).toMatch(/^Infisical +ok$/m);
  expect(stdout).toMatch(/^Workers +0$/m);
  expect(stdout).toMatch(/^Audit log +.*\d+ events wait to be sealed, for \d+ s$/m);
  expect(stdout).toMatch(/^Verified +never$/m);
  const json = JSON.parse((await cli(["health", "--json"], fixture.remote)).stdout);
  expect(json).toMatchObject({ database: "ok", breaker: "closed", jobs: { workers: 0 } });

  await fixture.emulator.stop();
  const infisicalNow = async () =>
    JSON.parse((await cli(["health", "--json"], fixture.remote)).stdout).infisical;
  // An answer is shared for a second.
  await expect.poll(infisicalNow, { interval: 500, timeout: 60_000 }).not.toBe("ok");
  const { stdout: text } = await cli(["health"], fixture.remote);
  expect(text).not.toMatch(/^Infisical +ok$/m);
  const stranger = { ...fixture.remote, TENANT_SECRETS_OPERATOR_TOKEN: "tso_fake" };
  expect(await failing(["health"], stranger)).toMatchObject({ code: "UNAUTHENTICATED" });
});
