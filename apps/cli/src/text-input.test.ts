import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { readText } from "./text-input.ts";

const read = (...chunks: readonly Buffer[]) =>
  readText(Readable.from(chunks), 20, (fault) => new Error(fault)).catch((error: unknown) => String(error));

test("text in UTF-8 is read to the byte, but for a byte order mark in front, wherever its chunks end", async () => {
  const text = "sk_fake\u00e4\r\n ";
  const bytes = Buffer.from(text);
  expect(await read(bytes)).toBe(text);
  expect(await read(Buffer.from("\ufeff"), bytes)).toBe(text);
  expect(await read(...Array.from(Buffer.from(`\ufeff${text}`), (byte) => Buffer.of(byte)))).toBe(text);
  expect(await read(Buffer.from("a\ufeffb"))).toBe("a\ufeffb");
  expect(await read()).toBe("");
});

test.for([
  ["with a byte order mark", Buffer.from("\ufeffA=fake", "utf16le")],
  ["with a byte order mark, big endian", Buffer.from("\ufeffA=fake", "utf16le").swap16()],
  ["without one", Buffer.from("A=fake", "utf16le")],
  ["without one, big endian", Buffer.from("A=fake", "utf16le").swap16()],
] as const)("UTF-16 %s is refused as that", async ([, bytes]) => {
  expect(await read(bytes)).toBe("Error: is UTF-16: save it as UTF-8");
});

test("bytes that are no UTF-8, and more than the limit, are refused", async () => {
  expect(await read(Buffer.from("ab\u00e4", "latin1"))).toBe("Error: is not well-formed UTF-8");
  expect(await read(Buffer.alloc(20, "a"))).toBe("a".repeat(20));
  expect(await read(Buffer.alloc(15, "a"), Buffer.alloc(6, "a"))).toBe("Error: is longer");
});
