import { format, inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { Plaintext } from "./plaintext.ts";

const text = "sk_test_fake_codewiser_0001";
const plaintext = Plaintext.fromText(text);

test.for<[string, (value: Plaintext) => string]>([
  ["a template", (value) => `value: ${String(value)}`],
  ["joined to a string", (value) => ["", value].join("")],
  ["JSON", (value) => JSON.stringify({ value })],
  ["inspected", (value) => inspect({ value })],
  [
    "inspected to the bottom",
    (value) => inspect({ value }, { depth: null, showHidden: true, getters: true }),
  ],
  [
    "inspected without the class's own word",
    (value) => inspect(value, { customInspect: false, showHidden: true }),
  ],
  ["formatted", (value) => format("%s %o %O %j", value, value, value, value)],
  ["an error's message", (value) => String(new Error(`failed with ${String(value)}`))],
  ["an error's cause", (value) => inspect(new Error("failed", { cause: value }))],
  ["spread", (value) => inspect(Object.assign({}, value))],
  ["its entries", (value) => JSON.stringify(Object.entries(value))],
  ["cloned", (value) => inspect(structuredClone(value))],
  ["in a map", (value) => inspect(new Map([["value", value]]))],
])("shows nothing as %s", ([, print]) => {
  const printed = print(plaintext);
  expect(printed).not.toContain(text);
  expect(printed).not.toContain(text.slice(0, 7));
  expect(printed).not.toContain(Buffer.from(text).toString("base64").slice(0, 8));
  expect(printed).not.toContain(
    Buffer.from(text)
      .toString("hex", 0, 4)
      .replaceAll(/(..)(?=.)/g, "$1 "),
  );
});

test("a redacted value says that it is redacted", () => {
  expect(String(plaintext)).toBe("[redacted]");
  expect(inspect(plaintext)).toBe("[redacted]");
  expect(JSON.stringify([plaintext])).toBe('["[redacted]"]');
});

describe("the bytes of a plaintext", () => {
  test("are the UTF-8 of the text, and decode to it", () => {
    const value = Plaintext.fromText("pässwörd 🔑");
    expect(value.bytes.toString("utf8")).toBe("pässwörd 🔑");
    expect(value.reveal()).toBe("pässwörd 🔑");
  });

  test("are zeros in the given buffer after a wipe, and cannot be read", () => {
    const bytes = Buffer.from(text);
    const value = new Plaintext(bytes);
    value.wipe();
    expect(bytes.equals(Buffer.alloc(text.length))).toBe(true);
    expect(() => value.reveal()).toThrow("was wiped");
    expect(() => value.bytes).toThrow("was wiped");
  });

  test("may be wiped twice", () => {
    const value = Plaintext.fromText(text);
    value.wipe();
    expect(() => value.wipe()).not.toThrow();
  });
});
