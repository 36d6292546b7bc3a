import { expect, test } from "vitest";
import { createFixture } from "./testing/fixture.ts";
import { cli, failing } from "./testing/run-cli.ts";

test(
  "the secret of the sign-in is rotated by an operator, beside Infisical alone",
  { timeout: 180_000 },
  async () => {
    const fixture = await createFixture();
    const { infisical } = fixture;
    await infisical.putSecret("/hono-api", "SIGN_IN_SECRET", "fake-secret-of-a-test-fake-secret-of-a-test");
    const command = ["keys", "rotate-sign-in"];
    const asOperator = { ...fixture.local, TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken };
    const { exitCode, stdout } = await cli(command, asOperator);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^SIGN_IN_SECRET_V2 is in Infisical\. Every process signs and encrypts with it from \S+ \S+Z\.\n$/,
    );
    const made = await infisical.findSecret("/hono-api", "SIGN_IN_SECRET_V2");
    expect(made?.value).toMatch(/^[\w-]{43}$/);
    expect(stdout).not.toContain(made?.value);
    const json = JSON.parse((await cli([...command, "--json"], asOperator)).stdout);
    expect(json).toEqual({ version: 3, signsFrom: expect.any(String) });
    expect(Date.parse(json.signsFrom)).toBeGreaterThan(Date.now());

    const other = { ...asOperator, TENANT_SECRETS_OPERATOR_TOKEN: "tso_fake" };
    expect(await failing(command, other)).toMatchObject({ code: "UNAUTHENTICATED" });
    expect(await failing(command, fixture.remote)).toMatchObject({ exitCode: 2, code: "USAGE" });
    expect(await infisical.findSecret("/hono-api", "SIGN_IN_SECRET_V4")).toBeUndefined();
  },
);
