import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFields, fromBase64url, toBase64url } from "./encoding.ts";

/** Decodes the fields: an encoding that can be decoded is injective. */
function decodeFields(bytes: Buffer): string[] {
  const fields: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32BE(at);
    fields.push(bytes.toString("utf8", at + 4, end));
    at = end;
  }
  return fields;
}

const character = fc
  .integer({ min: 0, max: 0x10_ffff })
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCodePoint(code));
const field = fc.oneof(
  fc.string({ unit: character }),
  fc.constantFrom("", "a", "\0", "\0\0\0\x01", "ä", "🔑"),
);

test("the encoding of fields depends on where the same characters are cut", () => {
  expect(encodeFields(["a", "bc"])).not.toEqual(encodeFields(["ab", "c"]));
  expect(encodeFields(["ab"])).not.toEqual(encodeFields(["a", "b"]));
  expect(encodeFields([])).not.toEqual(encodeFields([""]));
  expect(encodeFields([""])).not.toEqual(encodeFields(["", ""]));
});

test("no two lists of fields have the same encoding", () => {
  fc.assert(
    fc.property(fc.array(field), fc.array(field), (one, other) => {
      expect(decodeFields(encodeFields(one))).toEqual(one);
      expect(encodeFields(one).equals(encodeFields(other))).toBe(
        JSON.stringify(one) === JSON.stringify(other),
      );
    }),
  );
});

test("the length of a field is in bytes, not in characters", () => {
  expect(encodeFields(["ä🔑"]).toString("hex")).toBe("00000006c3a4f09f9491");
  expect(encodeFields([Buffer.from([0xff, 0])]).toString("hex")).toBe("00000002ff00");
});

test("base64url decodes any bytes from their canonical spelling, and from no other spelling", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.string(), (bytes, text) => {
      const spelt = toBase64url(Buffer.from(bytes));
      expect(fromBase64url(spelt)?.equals(bytes)).toBe(true);
      const read = fromBase64url(text);
      if (read !== undefined) expect(toBase64url(read)).toBe(text);
    }),
  );
});

test.for(["A", "AA=", "AA==", "AB", "AAB", "A A", "AA\n", "+A", "/A", "AA.", "ÄA", "A\0", "AAAAA"])(
  "refuses %j as base64url",
  (text) => {
    expect(fromBase64url(text)).toBeUndefined();
  },
);
