import { expect, test } from "vitest";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { serverCaller } from "./server-caller.ts";

const fixture = await createFixture();

test("a request whose company was resolved charges the company's budget once", async () => {
  const company = await fixture.company("database");
  const secrets = fixture.another({ limits: { companyCallsPerSecond: 2 } });
  await secrets.company(company, product).set("CUSTOM_A", "fake_a_0001");
  const { apiKey } = await fixture.secrets.apiKeys.create(operator, {
    name: "k",
    companies: [company],
    platform: false,
    verbs: ["use"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const caller = await secrets.authenticate({ credential: apiKey });
  let passed = 0;
  const read = async () => {
    const scope = await secrets.companies.resolve({ caller, action: "secret.read" }, company);
    await serverCaller(secrets, scope).get("CUSTOM_A");
  };
  // Two calls a second are a budget of 20 in ten seconds.
  let code = "no error";
  for (; passed < 30; passed++) {
    code = await codeOf(read());
    if (code !== "no error") break;
  }
  expect({ passed, code }).toEqual({ passed: 20, code: "RATE_LIMITED" });
});

test("a value sent in place of a secret key is not audited, even if the company is denied", async () => {
  const { secrets, superuser } = fixture;
  const swapped = "sk_live_fake_swapped_0003";
  for (const company of ["nobody", await fixture.company("database")]) {
    await codeOf(secrets.getTenantSecret(company, swapped));
  }
  await secrets.flush();
  const events = await superuser`select audit_events::text as text from audit_events`;
  expect(events.map((row) => String(row["text"])).filter((text) => text.includes("in-process"))).toHaveLength(
    2,
  );
  expect(events.map((row) => String(row["text"])).join("\n")).not.toContain("swapped");
});
