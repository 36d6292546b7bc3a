import { expect, test } from "vitest";
import { recipientsFault } from "./age-recipients.ts";

// The recipient in the README of age.
const recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const postQuantum = `age1pq1${"q".repeat(1952)}`;
const canary = "AGE-SECRET-KEY-1FAKEFAKECANARY0001";

test("public keys of X25519 are taken, and post-quantum ones, but not both for one file", () => {
  expect(recipientsFault([recipient])).toBeUndefined();
  expect(recipientsFault([postQuantum])).toBeUndefined();
  expect(recipientsFault([postQuantum, recipient])).toContain("no safer than the weakest");
});

test.each([
  [[], "1 to 20 recipients"],
  [Array.from({ length: 50 }, () => recipient), "1 to 20 recipients"],
  [[recipient, recipient], "Recipient 2 is the same as recipient 1"],
  [[recipient, canary], "Recipient 2 is a private key. Do not use it any more"],
  [[canary.toLowerCase()], "Recipient 1 is a private key"],
  [[` ${canary}\n`], "Recipient 1 is a private key"],
  [["AGE-SECRET-KEY-PQ-1FAKEFAKECANARY0001"], "Recipient 1 is a private key"],
  [["AGE-PLUGIN-YUBIKEY-1FAKEFAKECANARY0001"], "Recipient 1 is a private key"],
  [["-----BEGIN OPENSSH PRIVATE KEY-----\nFAKEFAKECANARY0001"], "Recipient 1 is a private key"],
  [["ssh-ed25519 AAAAFAKEFAKECANARY0001"], "is a key of SSH"],
  [["age1tag1qvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsx7pkdah"], "of hardware or a plugin"],
  [["age1yubikey1qvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsx"], "of hardware or a plugin"],
  [[""], "is no public key"],
  [["__proto__"], "is no public key"],
  [["../key.txt"], "is no public key"],
  [[`${recipient}\0`], "is no public key"],
  [[`${recipient}\n`], "is no public key"],
  [[recipient.toUpperCase()], "is no public key"],
  [["x".repeat(65_537)], "is no public key"],
  [[`age1${"q".repeat(65_533)}`], "is no public key"],
])("%# is refused in words that quote nothing of it", (recipients, sentence) => {
  const fault = recipientsFault(recipients);
  expect(fault).toContain(sentence);
  for (const text of ["FAKECANARY", "fakecanary", recipient, "__proto__", ".."])
    expect(fault).not.toContain(text);
});
