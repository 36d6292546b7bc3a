import { expect, test } from "vitest";
import { createFixture, operator, product } from "../testing/fixture.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
const signal = new AbortController().signal;
const ask = (company: string) =>
  secrets.rotation.rotateCompromised(operator, { company, purpose: "incident" });

/** A company with a secret that is rotated, one that a person rotates, and one without a policy. */
async function begin() {
  const company = await fixture.company("database");
  const own = secrets.company(company, product);
  for (const key of ["CUSTOM_GUIDED", "CUSTOM_MADE", "CUSTOM_PLAIN"] as const)
    await own.set(key, `fake ${key}`);
  const place = { company, overlapSeconds: 3600 };
  await secrets.rotation.set(operator, { ...place, secretKey: "CUSTOM_MADE", driver: "generated" });
  await secrets.rotation.set(operator, {
    ...place,
    secretKey: "CUSTOM_GUIDED",
    driver: "guided",
    settings: '{"provider":"any"}',
  });
  return { company, own };
}

/** The event with which an emergency rotation begins, without what it does to keys. */
const emergency = () =>
  secrets.emergencyRotation(operator, {
    rotation: { backup: () => Promise.resolve("sha256:fake"), timeoutMs: 5000 },
    revokeCredentials: false,
  });

test("without an emergency rotation nothing is listed", async () => {
  const { company } = await begin();
  expect(await ask(company)).toEqual({ runs: [], withoutPolicy: [], done: [] });
});

test("what an emergency rotation lists is rotated urgently, once, and dealt with once it has rotated", async () => {
  const { company, own } = await begin();
  await emergency();
  await own.set("CUSTOM_NEWER", "fake newer");

  const first = await ask(company);
  expect(first).toEqual({
    since: expect.any(Date),
    runs: [
      { secretKey: "CUSTOM_GUIDED", run: expect.any(String), person: true },
      { secretKey: "CUSTOM_MADE", run: expect.any(String), person: false },
    ],
    withoutPolicy: ["CUSTOM_PLAIN"],
    done: ["CUSTOM_NEWER"],
  });
  const [again, ...others] = await Promise.all([1, 2, 3].map(() => ask(company)));
  expect(others).toEqual([first, first]);
  expect(again).toEqual(first);
  const { runs } = first;
  for (const { run } of runs)
    expect(await secrets.rotation.run(operator, company, run)).toMatchObject({
      trigger: "compromise",
      urgent: true,
    });
  const events = await superuser<{ subject: string; reason: string }[]>`
    select subject, reason from audit_events where action = 'rotation.rotate' and reason = 'incident'
      and subject in ${superuser(runs.map(({ run }) => run))}`;
  expect(new Set(events.map(({ subject }) => subject))).toEqual(new Set(runs.map(({ run }) => run)));

  const made = runs[1]?.run ?? "";
  for (let i = 0; i < 10; i++) {
    await superuser`update runs set not_before = now() where id = ${made} and not_before > now()`;
    await secrets.runs.work["rotate-secret"]?.(made, signal);
  }
  await own.set("CUSTOM_PLAIN", "fake replaced by hand");
  expect(await ask(company)).toEqual({
    ...first,
    runs: [runs[0]],
    withoutPolicy: [],
    done: ["CUSTOM_MADE", "CUSTOM_NEWER", "CUSTOM_PLAIN"],
  });
});

test("a value of before that was made current again is not dealt with", async () => {
  const { company, own } = await begin();
  await own.set("CUSTOM_PLAIN", "fake of before");
  await emergency();
  await own.set("CUSTOM_PLAIN", "fake of after");
  expect((await ask(company)).withoutPolicy).toEqual([]);
  await own.rollback("CUSTOM_PLAIN", { toVersion: 2 });
  expect((await ask(company)).withoutPolicy).toEqual(["CUSTOM_PLAIN"]);
});

test("another company's secrets are neither listed nor rotated", async () => {
  const [one, two] = [await begin(), await begin()];
  await emergency();
  await ask(one.company);
  expect(await secrets.rotation.runs(operator, { company: two.company, limit: 50 })).toEqual([]);
});

test("of a company on Infisical all secrets are named, and replaced by hand", async () => {
  const company = await fixture.company("infisical");
  await secrets.company(company, product).set("CUSTOM_A", "fake_a");
  await emergency();
  expect(await ask(company)).toMatchObject({ runs: [], withoutPolicy: ["CUSTOM_A"], done: [] });
  await new Promise((later) => setTimeout(later, 5));
  await secrets.company(company, product).set("CUSTOM_A", "fake_a_next");
  expect(await ask(company)).toMatchObject({ runs: [], withoutPolicy: [], done: ["CUSTOM_A"] });
});
