import { expect, test } from "vitest";
import { createCaller } from "../router/router.ts";
import { createCallerContext } from "../router/trpc.ts";
import { codeOf, createFixture, product } from "../testing/fixture.ts";

const fixture = await createFixture();
const api = createCaller(createCallerContext(fixture.secrets, product));

test("a list says since when a version is pending, and until when an earlier one stays active", async () => {
  const company = await fixture.company("database");
  const of = { company, secretKey: "CUSTOM_A" };
  const described = async () => {
    const { secrets } = await api.secrets.list({ company });
    return secrets.map(({ version, pendingVersion, pendingSince, previousUntil }) => ({
      version,
      pendingVersion,
      pendingSince,
      previousUntil,
    }));
  };
  await api.secrets.write({ ...of, value: "fake_a_0001" });
  const nothing = { pendingVersion: undefined, pendingSince: undefined, previousUntil: undefined };
  expect(await described()).toEqual([{ version: 1, ...nothing }]);

  await api.secrets.write({ ...of, value: "fake_a_0002", graceSeconds: 7200 });
  await api.secrets.write({ ...of, value: "fake_a_0003", graceSeconds: 3600 });
  await api.secrets.stage({ ...of, value: "fake_a_0004" });
  const { versions } = await api.secrets.history(of);
  const [pending, , , first] = versions;
  expect(await described()).toEqual([
    {
      version: 3,
      pendingVersion: 4,
      pendingSince: pending?.createdAt,
      // The window of version 1 ends later than that of version 2.
      previousUntil: versions.find(({ version }) => version === 1)?.activeUntil,
    },
  ]);
  expect(first?.activeUntil).toBeInstanceOf(Date);

  await api.secrets.discard(of);
  await api.secrets.write({ ...of, value: "fake_a_0005", endGrace: true });
  expect(await described()).toEqual([{ version: 5, ...nothing }]);
});

test("a list says the highest version so far, so that a page can name the one that a write will make", async () => {
  const of = { company: await fixture.company("database"), secretKey: "CUSTOM_A" };
  const listed = async () => {
    const { secrets } = await api.secrets.list({ company: of.company });
    return secrets.map(({ version, lastVersion }) => ({ version, lastVersion }));
  };
  await api.secrets.write({ ...of, value: "fake_a_0001" });
  expect(await listed()).toEqual([{ version: 1, lastVersion: 1 }]);
  await api.secrets.stage({ ...of, value: "fake_a_0002" });
  await api.secrets.discard(of);
  expect(await listed()).toEqual([{ version: 1, lastVersion: 2 }]);
  expect(await api.secrets.write({ ...of, value: "fake_a_0003" })).toEqual({ version: 3 });
});

test("a list marks the secrets whose values are never revealed", async () => {
  const company = await fixture.company("hybrid");
  const value = `whsec_${"fake".repeat(8)}`;
  await api.secrets.write({ company, secretKey: "STRIPE_WEBHOOK_SECRET", value });
  await api.secrets.write({ company, secretKey: "CUSTOM_A", value: "fake_a_0001" });
  const { secrets } = await api.secrets.list({ company });
  expect(secrets.map(({ secretKey, writeOnly }) => [secretKey, writeOnly])).toEqual([
    ["CUSTOM_A", undefined],
    ["STRIPE_WEBHOOK_SECRET", true],
  ]);
});

test("a hybrid company lists its removed secrets, and a company in Infisical has no such list", async () => {
  const hybrid = await fixture.company("hybrid");
  await api.secrets.write({ company: hybrid, secretKey: "CUSTOM_A", value: "fake_a_0001" });
  const { recoverUntil } = await api.secrets.remove({ company: hybrid, secretKey: "CUSTOM_A" });
  const { secrets } = await api.secrets.removed({ company: hybrid });
  expect(secrets).toEqual([
    expect.objectContaining({
      secretKey: "CUSTOM_A",
      restorableUntil: recoverUntil,
      removedBy: { kind: "job", id: "test" },
    }),
  ]);
  await api.secrets.restore({ company: hybrid, secretKey: "CUSTOM_A" });
  expect(await api.secrets.removed({ company: hybrid })).toEqual({ secrets: [] });

  const outside = await fixture.company("infisical");
  const handle = fixture.secrets.vault.removed(await fixture.scope(outside), {});
  expect(await codeOf(handle)).toBe("NOT_SUPPORTED");
});
