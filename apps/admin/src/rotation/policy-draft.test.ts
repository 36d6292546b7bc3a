import { expect, test } from "vitest";
import type { RotationDriver, RotationPolicy } from "../frame/rotation-words.ts";
import { draftOf, inputOf, newDraft, wrongWith } from "./policy-draft.ts";

const driver = (changes: Partial<RotationDriver> = {}): RotationDriver => ({
  name: "guided",
  person: true,
  manager: "none",
  settings: {
    type: "object",
    properties: {
      provider: { type: "string", enum: ["stripe", "any"], default: "any" },
      most: { type: "integer" },
    },
  },
  secretKeys: [],
  ...changes,
});
const policy = (changes: Partial<RotationPolicy> = {}): RotationPolicy => ({
  secretKey: "STRIPE_SECRET_KEY",
  driver: "guided",
  settings: '{"provider":"stripe","most":3}',
  overlapSeconds: 5400,
  state: "active",
  failures: 0,
  orphans: [],
  ...changes,
});

test.each([
  undefined,
  { every: "P30D", at: "03:00", zone: "Europe/Berlin" },
  { every: "PT36H" },
  { cron: "0 3 1 * *", zone: "Asia/Tokyo" },
  { beforeExpiry: "P7D", window: "22:00–04:00", zone: "UTC" },
  { every: "P90D", cron: "0 3 1 * *", beforeExpiry: "PT90M", zone: "UTC" },
])("a policy with the schedule %j is the same after a form that changes nothing", (schedule) => {
  const draft = draftOf(policy({ ...(schedule && { schedule }) }), driver());
  expect(wrongWith(draft, driver())).toBeUndefined();
  expect(inputOf(draft, driver())).toEqual({
    secretKey: "STRIPE_SECRET_KEY",
    driver: "guided",
    settings: '{"provider":"stripe","most":3}',
    overlapSeconds: 5400,
    ...(schedule && { schedule }),
  });
});

test("a policy with a canary is the same after a form that changes nothing, and without it once the share is emptied", () => {
  const canary = { percent: 10, seconds: 90 };
  const draft = draftOf(policy({ canary }), driver());
  expect(wrongWith(draft, driver())).toBeUndefined();
  expect(inputOf(draft, driver())).toMatchObject({ canary });
  const emptied = { ...draft, canary: { ...draft.canary, percent: " " } };
  expect(inputOf(emptied, driver())).not.toHaveProperty("canary");
  expect(wrongWith({ ...draft, canary: { percent: "51", seconds: "9" } }, driver())).toEqual({
    percent: "Enter a whole number, 1 to 50, or none.",
    seconds: "Enter a whole number, 10 to 86400.",
  });
});

test("settings that are left empty are not sent, so that those of the catalogue count", () => {
  expect(inputOf(newDraft("STRIPE_SECRET_KEY", driver()), driver())).not.toHaveProperty("settings");
});

test("settings that are no simple properties are one text of JSON", () => {
  const nested = driver({ settings: { anyOf: [{ type: "object" }, { type: "object" }] } });
  const draft = draftOf(policy({ settings: '{"length":32}' }), nested);
  expect(inputOf(draft, nested)).toMatchObject({ settings: '{"length":32}' });
  expect(wrongWith({ ...draft, settings: { "": "[1]" } }, nested)).toEqual({
    settings: { "": "Enter a JSON object." },
  });
});

test("what is wrong is said by its field", () => {
  const required = driver({ manager: "required" });
  const draft = newDraft("", undefined);
  expect(
    wrongWith(
      {
        ...draft,
        rules: { every: true, cron: true, beforeExpiry: true },
        every: { count: "5", unit: "hour" },
        at: "03:00",
        cron: "0 3 * *",
        beforeExpiry: { count: "soon", unit: "day" },
        window: { opens: "02:00", closes: "" },
        overlap: { count: "-1", unit: "day" },
        settings: { most: "many" },
      },
      required,
    ),
  ).toEqual({
    secretKey: "Choose a secret.",
    manager: "Choose the secret with whose rights the provider is asked.",
    at: "It is for an interval of whole days.",
    cron: "Enter five fields: minute, hour, day, month and day of the week.",
    beforeExpiry: "Enter a whole number.",
    window: "Enter two different times, or none.",
    overlap: "Enter a whole number.",
    settings: { most: "Enter a number." },
  });
});
