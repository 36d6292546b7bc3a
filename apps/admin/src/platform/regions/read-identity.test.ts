import { expect, test } from "vitest";
import { readIdentity } from "./read-identity.ts";

const identity = {
  region: "us",
  address: "https://us.example.com",
  transportKeyVersion: 1,
  transportKey: "A".repeat(43),
  signingKeyVersion: 1,
  signingKey: "B".repeat(43),
};

test("an identity is read without the fingerprint that came with it", () => {
  expect(readIdentity(JSON.stringify({ ...identity, fingerprint: "00" }))).toEqual(identity);
});

test.each([
  "",
  "us",
  "null",
  "[]",
  "{}",
  ...Object.keys(identity).map((name) => JSON.stringify({ ...identity, [name]: null })),
])("%j is no identity", (text) => {
  expect(readIdentity(text)).toBeUndefined();
});
