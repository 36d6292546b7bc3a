import * as fc from "fast-check";
import { deserialize, serialize } from "superjson";
import { describe, expect, it } from "vitest";
import { TenantSecretsError } from "./errors.ts";
import { maxInputMarks, wire } from "./wire.ts";

const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function refusalOf(payload: unknown): string {
  try {
    wire.input.deserialize(overTheWire(payload));
  } catch (error) {
    if (error instanceof TenantSecretsError) return error.code;
    throw error;
  }
  return "taken";
}

const date = fc.date({ min: new Date("0000-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
const names = fc.oneof(
  fc.string(),
  fc.constantFrom("", ".", "\\", "a.b", "a\\.b", "\\\\", "length", "toString", "0"),
);
// superjson marks what is in two places, which an input of ours may not have: each is built separately.
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.integer(),
    fc.constant(undefined),
    date,
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(
      names.filter((name) => !["__proto__", "constructor", "prototype"].includes(name)),
      tie("tree"),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}));

describe("what is sent", () => {
  it("arrives as it was, with its dates, and to superjson on either side means the same", () => {
    fc.assert(
      fc.property(tree, (value) => {
        expect(wire.input.deserialize(overTheWire(wire.input.serialize(value)))).toEqual(value);
        expect(deserialize(JSON.parse(JSON.stringify(wire.output.serialize(value))))).toEqual(value);
        const theirs = overTheWire(serialize(value));
        expect(wire.output.deserialize(theirs)).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it("is nothing but JSON, dates and undefined, and is bounded in depth", () => {
    class Credential {
      readonly value = "sk_test_fake_0001";
    }
    const circle: Record<string, unknown> = {};
    circle["circle"] = circle;
    for (const value of [
      new Map(),
      new Set(),
      /a/,
      new Error("sk_test_fake_0001"),
      new Uint8Array(1),
      1n,
      Symbol("a"),
      () => 1,
      new Credential(),
      new URL("https://example.com"),
      Number.NaN,
      Infinity,
      new Date(Number.NaN),
      circle,
    ]) {
      for (const sent of [value, { value }, [value]]) {
        expect(() => wire.output.serialize(sent)).toThrow(TypeError);
        expect(() => wire.input.serialize(sent)).toThrow(/^The call was not sent: (?!.*sk_test)/);
      }
    }
  });

  it("has `__proto__` as a name like any other", () => {
    const value: unknown = JSON.parse('{"__proto__":{"polluted":true}}');
    const arrived = wire.input.deserialize(overTheWire(wire.input.serialize(value)));
    expect(JSON.stringify(arrived)).toBe('{"__proto__":{"polluted":true}}');
    expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
  });
});

const iso = "2026-11-29T10:00:00.000Z";

describe("an input", () => {
  it.each([
    ["a typed array", { values: { a: [["typed-array", "Uint8Array"]] } }],
    ["a Map", { values: { a: ["map"] } }],
    ["a Set", { values: { a: ["set"] } }],
    ["a regular expression", { values: { a: ["regexp"] } }],
    ["an Error", { values: { a: ["Error"] } }],
    ["a bigint", { values: { a: ["bigint"] } }],
    ["a number that is none", { values: { a: ["number"] } }],
    ["a URL", { values: { a: ["URL"] } }],
    ["a class", { values: { a: [["class", "Credential"]] } }],
    ["a symbol", { values: { a: [["symbol", "a"]] } }],
    ["a custom type", { values: { a: [["custom", "a"]] } }],
    ["something in a date", { values: { a: ["Date", { b: ["Date"] }] } }],
    ["a tree of marks", { values: { list: { 0: ["Date"] } } }],
    ["what stands in two places", { referentialEqualities: { a: ["b"] } }],
    ["what stands in two places, besides", { values: { a: ["Date"] }, referentialEqualities: [["a"]] }],
    ["paths of an earlier notation", { values: { a: ["Date"] }, v: 0 }],
    ["a place that is not there", { values: { none: ["Date"] } }],
    ["a place in a text", { values: { "a.0": ["Date"] } }],
    ["a prototype", { values: { "__proto__.a": ["Date"] } }],
    ["a constructor's prototype", { values: { "constructor.prototype.a": ["Date"] } }],
    ["a method", { values: { toString: ["Date"] } }],
    ["an array's length", { values: { "list.length": ["undefined"] } }],
    ["a hole of an array", { values: { "list.7": ["undefined"] } }],
    ["no date", { values: { b: ["Date"] } }],
    ["a text as left out", { values: { a: ["undefined"] } }],
    ["the whole as a date", { values: ["Date"] }],
    ["nothing", { values: { a: [] } }],
    ["text", { values: "Date" }],
    ["null", { values: null }],
    ["an escape that is none", { values: { "\\a": ["Date"] } }],
    ["more than it knows", { values: { a: ["Date"] }, more: 1 }],
  ])("that marks %s is refused", (_, meta) => {
    expect(refusalOf({ json: { a: iso, b: "no date", list: [iso] }, meta })).toBe("INVALID_INPUT");
  });

  it.each([
    "2026",
    "now",
    "2026-13-01T00:00:00Z",
    "2026-11-29",
    "",
    `${iso}${" ".repeat(9)}`,
    "0",
    0,
    null,
    {},
  ])("that marks %j as a date is refused", (a) => {
    expect(refusalOf({ json: { a }, meta: { values: { a: ["Date"] } } })).toBe("INVALID_INPUT");
  });

  it.each([null, 7, "a", [], true, { json: 1, more: 2 }, { json: 1, meta: null }, { json: 1, meta: [] }])(
    "is refused where it is no envelope: %j",
    (payload) => {
      expect(refusalOf(payload)).toBe("INVALID_INPUT");
    },
  );

  it(`has at most ${maxInputMarks} marks, and costs no more than its length however they are set`, () => {
    const marked = (count: number) => ({
      json: Array<string>(count).fill(iso),
      meta: { values: Object.fromEntries(Array.from({ length: count }, (_, i) => [i, ["Date"]])) },
    });
    expect(refusalOf(marked(maxInputMarks))).toBe("taken");
    expect(refusalOf(marked(maxInputMarks + 1))).toBe("INVALID_INPUT");
    const startedAt = performance.now();
    for (const meta of [
      { values: { [".".repeat(500_000)]: ["Date"] } },
      { values: { ["\\\\".repeat(250_000)]: ["Date"] } },
      { values: { a: ["Date", ...Array<number>(100_000).fill(0)] } },
      {
        values: Object.fromEntries(
          Array.from({ length: 50_000 }, (_, i) => [i, [["typed-array", "Uint8Array"]]]),
        ),
      },
    ]) {
      expect(refusalOf({ json: { a: 4_000_000_000 }, meta })).toBe("INVALID_INPUT");
    }
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });
});
