import { describe, expect, test } from "vitest";
import { webhookSigningSecret } from "@repo/catalog";
import { Webhook } from "standardwebhooks";
import { driverContract } from "../../testing/driver-contract.ts";
import { generated } from "./generated.ts";
import { parseSettings } from "./drivers.ts";

driverContract("generated", async () => ({
  driver: generated,
  current: "whsec_ZmFrZWZha2VmYWtlZmFrZWZha2VmYWtlZmFrZWZha2U=",
  currentRef: "",
  unknown: "whsec_fake",
  fetch: () => Promise.reject(new Error("No provider is asked.")),
  live: async () => [],
  faults: {},
  disarm: () => false,
  sayings: [],
  stop: async () => {},
}));

const make = (settings: unknown): string =>
  generated.make(generated.settings.parse(settings), undefined).reveal();

describe("a value that is made here", () => {
  test("is a Standard Webhooks secret by default, which other libraries sign and verify with", () => {
    const value = make({});
    expect(webhookSigningSecret.schema.safeParse(value).success).toBe(true);
    const webhook = new Webhook(value);
    const now = new Date();
    const headers = {
      "webhook-id": "msg_fake",
      "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
      "webhook-signature": webhook.sign("msg_fake", now, "{}"),
    };
    expect(webhook.verify("{}", headers)).toEqual({});
    expect(Buffer.from(value.slice("whsec_".length), "base64")).toHaveLength(32);
  });

  test("has the length and the alphabet that the settings name, of which every character comes", () => {
    const made = Array.from({ length: 50 }, () => make({ length: 64, alphabet: "abcdefgh" })).join("");
    expect(made).toMatch(/^[a-h]{3200}$/);
    for (const character of "abcdefgh") {
      const share = made.split(character).length / made.length;
      expect(Math.abs(share - 1 / 8)).toBeLessThan(0.05);
    }
  });

  test("is another one each time, and shows itself in no output", () => {
    for (const settings of [
      {},
      { form: "random-token" },
      { length: 32, alphabet: "0123456789abcdef_-ABCDEF" },
    ]) {
      const values = Array.from({ length: 100 }, () => make(settings));
      expect(new Set(values).size).toBe(100);
    }
    const value = generated.make({ form: "random-token" }, undefined);
    expect(`${String(value)} ${JSON.stringify({ value })}`).not.toContain(value.reveal());
  });

  test.for([
    { form: "guid" },
    { length: 15, alphabet: "0123456789abcdef" },
    { length: 16, alphabet: "0123456789" },
    { length: 64, alphabet: "a" },
    { length: 64, alphabet: "aab" },
    { length: 64, alphabet: "ab c" },
    { length: 64, alphabet: "äöü" },
    { length: 64, alphabet: "0123456789", form: "random-token" },
    JSON.parse('{"form":"random-token","__proto__":{"length":1}}'),
  ])("is refused with the settings %j", (settings) => {
    expect(() => parseSettings(generated, settings)).toThrow(/^The settings of the rotation were refused/);
  });
});
