import { parse as dotenvParse } from "dotenv";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { parseEnvFile, readEnvEntries } from "./env-file.ts";
import { writeEnvFile } from "./env-file-writer.ts";

const read = (file: string) =>
  Object.fromEntries(parseEnvFile(file).map(({ secretKey, text }) => [secretKey, text]));

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof TenantSecretsError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "taken";
}
const at = (line: number, column: number, rule = "") =>
  `INVALID_INPUT The file was refused at line ${line}, column ${column}: ${rule}`;

const hostile = [
  "plain",
  "",
  " ",
  " leading",
  "trailing ",
  "\ttab\t",
  "a b",
  "a=b=",
  "a#b",
  "a #b",
  "#",
  "$HOME",
  "${prod.tenants.other.KEY}",
  "$(id)",
  "\\",
  "\\\\",
  "a\\",
  "\\n",
  "\\\\n",
  "\\r\\n",
  "\\'",
  '\\"',
  "\\`",
  "a\\\nb",
  "a\\\rb",
  "'",
  '"',
  "`",
  "'\"",
  "'\"`",
  "'\"`\\",
  "it's",
  "'quoted'",
  '"quoted"',
  "`quoted`",
  '"""',
  "\n",
  "\r",
  "\r\n",
  "\n\n",
  "a\nb",
  "a\r\nb",
  "a\rb",
  "\nA='b'\n",
  "-----BEGIN FAKE KEY-----\nabc+/=\n-----END FAKE KEY-----\n",
  '{"clientId":"c","clientSecret":"s\\n"}',
  "ä€🔑",
  "\u00a0nbsp\u00a0",
  "\ufeffbom",
  "a\u2028'b'",
  "\u0001\u001b[31m\u007f",
  "export A=b",
  "# no comment",
  "'a' # b",
];

describe("a .env file that was written", () => {
  test.for(hostile)("is read back to the byte: %j", (text) => {
    expect(read(writeEnvFile([{ secretKey: "A", text }]))).toEqual({ A: text });
  });

  const texts = fc.array(
    fc.oneof(
      fc.string({ unit: fc.constantFrom(...Array.from("'\"`\\nr\n\r #=$ab\u2028")), maxLength: 12 }),
      fc.string({ unit: fc.integer({ min: 1, max: 0xd7_ff }).map((code) => String.fromCodePoint(code)) }),
      fc.constantFrom(...hostile),
    ),
    { maxLength: 6 },
  );
  const entriesOf = (values: readonly string[]) =>
    values.map((text, index) => ({ secretKey: `KEY_${index}`, text }));

  test("is read back to the byte with all of its secrets, whatever stands in them", () => {
    fc.assert(
      fc.property(texts, (values) => {
        const written = writeEnvFile(entriesOf(values));
        expect(parseEnvFile(written).map(({ text }) => text)).toEqual(values);
      }),
      { numRuns: 2000 },
    );
  });

  test("is read the same by dotenv, but for lines that need an escape which dotenv does not have", () => {
    const expressible = (text: string) => !/^A=".*\\[\\"]/s.test(writeEnvFile([{ secretKey: "A", text }]));
    fc.assert(
      fc.property(texts, (all) => {
        for (const text of all) {
          const plain = !text.includes("\r") && !text.endsWith("\\") && !/'.*`|`.*'/s.test(text);
          expect(expressible(text) || !plain).toBe(true);
        }
        const values = all.filter(expressible);
        const wanted = Object.fromEntries(entriesOf(values).map(({ secretKey, text }) => [secretKey, text]));
        expect(dotenvParse(writeEnvFile(entriesOf(values)))).toEqual(wanted);
      }),
      { numRuns: 2000 },
    );
    expect(hostile.filter((text) => !expressible(text))).toEqual(["a\\\rb", "'\"`", "'\"`\\"]);
  });

  test("holds no name and no value that could not be read back", () => {
    for (const secretKey of ["A B", "A=B", "A\nB", "", "1A"]) {
      expect(refusalOf(() => writeEnvFile([{ secretKey, text: "x" }]))).toMatch(/^INVALID_VALUE /);
    }
    for (const text of ["fake\0value", "fake\ud83dvalue"]) {
      const refusal = refusalOf(() => writeEnvFile([{ secretKey: "A", text }]));
      expect(refusal).toMatch(/^INVALID_VALUE .* of A: /);
      expect(refusal).not.toContain("fake");
    }
  });
});

describe("a .env file that people paste", () => {
  test.for([
    ["", {}],
    ["\n\n \t\n", {}],
    ["# comment\n  # another\n", {}],
    ["A=b", { A: "b" }],
    ["A=b\n", { A: "b" }],
    ["\ufeffA=b\r\nB=c\r\n", { A: "b", B: "c" }],
    ["A=b\rB=c\r", { A: "b", B: "c" }],
    ["  A  =  b c  ", { A: "b c" }],
    ["export A=b\n\texport\tB='c'", { A: "b", B: "c" }],
    ["export=b", { export: "b" }],
    ["A=", { A: "" }],
    ["A= \nB=\"\"\nC=''", { A: "", B: "", C: "" }],
    ["A= # nothing", { A: "" }],
    ["A=b # comment with = and 'quotes\nB=c", { A: "b", B: "c" }],
    ["A='b' # comment\nB=\"c\"\t# comment", { A: "b", B: "c" }],
    ["A='b # c'", { A: "b # c" }],
    ["A=b=c==", { A: "b=c==" }],
    ["A=b'c\"d", { A: "b'c\"d" }],
    ["A=b\\nc\\", { A: "b\\nc\\" }],
    ["A='b\\nc\\'", { A: "b\\nc\\" }],
    ["A=`b\\n'c\"`", { A: "b\\n'c\"" }],
    ['A="b\\nc\\r\\n"', { A: "b\nc\r\n" }],
    ['A="{\\"b\\": \\"c\\\\n\\"}"', { A: '{"b": "c\\n"}' }],
    ['A="C:\\\\dir\\x"', { A: "C:\\dir\\x" }],
    ["A=$B\nB=\"${A}\"\nC='$(id)'", { A: "$B", B: "${A}", C: "$(id)" }],
    ["A='b\r\nc'\r\nB=\"d\re\"", { A: "b\nc", B: "d\ne" }],
    ["A.b-c_1=d", { "A.b-c_1": "d" }],
    ["A=\u00a0b\u00a0", { A: "b" }],
  ] as const)("%j", ([file, wanted]) => {
    expect(read(file)).toEqual(wanted);
  });

  test("may name __proto__ and constructor as anything else", () => {
    expect(parseEnvFile("__proto__=a\nconstructor=b").map(({ secretKey }) => secretKey)).toEqual([
      "__proto__",
      "constructor",
    ]);
  });

  test("says of each secret in what line it begins", () => {
    const file = "\ufeff# first\r\nA=b\r\n\r\nB='c\r\nd'\r\nC=e\n";
    expect(parseEnvFile(file).map(({ secretKey, line }) => `${secretKey} ${line}`)).toEqual([
      "A 2",
      "B 4",
      "C 6",
    ]);
  });

  test.for([
    ["sk_test_fake_codewiser_0001", at(1, 1, "this line is not NAME=value")],
    ["A=b\n\nsk_test_fake_codewiser_0001\n", at(3, 1, "this line is not NAME=value")],
    ["A=b\n=c", at(2, 1, "this line is not")],
    ["export A", at(1, 1, "this line is not")],
    ["A: b", at(1, 1, "this line is not")],
    ["A B=c", at(1, 1, "this line is not")],
    ["A='b\nc", at(1, 3, "the quote that opens here is not closed")],
    ['A=b\r\nB = "c\\"\r\nC=d', at(2, 5, "the quote that opens here is not closed")],
    ["A=`", at(1, 3, "the quote that opens here")],
    ["A='b\nB='c'", at(2, 4, "text stands behind a closing quote")],
    ["A='b'c", at(1, 6, "text stands behind")],
    ["A='it\\'s'", at(1, 8, "text stands behind")],
    ["A='b'#c", at(1, 6, "text stands behind")],
    ["A=b#c", at(1, 4, "some read a comment here and some do not")],
    ["A=#b", at(1, 3, "some read a comment here")],
    ["A=1\nB=2\n\nA=3", at(4, 1, "line 1 gives a value to the same name")],
    ["A=1\nexport A=1", at(2, 1, "line 1 gives a value to the same name")],
    ["A=b\nB=c\0d", at(2, 4, "a NUL or half of a character")],
    ["A=🔑\ud83d", at(1, 5, "a NUL or half of a character")],
    ["# \udd11\nA=b", at(1, 3, "a NUL or half of a character")],
    ["\ufeffA", at(1, 1, "this line is not")],
  ] as const)("is refused as a whole, with line and column: %j", ([file, refusal]) => {
    const said = refusalOf(() => parseEnvFile(file));
    expect(said.startsWith(refusal), said).toBe(true);
  });

  test("is read with both entries of a name that stands twice, where a page lets a person choose", () => {
    expect(readEnvEntries("A=1\nB=2\n\nexport A=3")).toEqual([
      { secretKey: "A", text: "1", line: 1 },
      { secretKey: "B", text: "2", line: 2 },
      { secretKey: "A", text: "3", line: 4 },
    ]);
  });

  test("is refused without a word of what stands in it", () => {
    const secret = "fAkE0123456789fAkE";
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(secret, "A", "=", "'", '"', "`", "\n", "\0", "#", " "), { maxLength: 12 }),
        (parts) => {
          expect(refusalOf(() => parseEnvFile(parts.join("")))).not.toContain(secret.slice(0, 4));
        },
      ),
    );
  });

  test("takes no longer than its length asks for", () => {
    const lines = 10_000;
    const value = "'it is\r\nquoted' # \\".padEnd(100, "\\");
    const large = Array.from({ length: lines }, (_, index) => `export KEY_${index} = ${value}\r\n`).join("");
    const many = 500_000;
    const started = performance.now();
    expect(parseEnvFile(large)).toHaveLength(lines);
    for (const [head, part, tail] of [
      ["A=", " ", "x"],
      ["A", " ", ""],
      ["", "export ", ""],
      ['A="', '\\"', ""],
      ['A="', "\\", '"'],
      ["A='", "\n", "'x"],
      ["", "A", ""],
      ["A=1", " ", "#"],
      ["A='b'", " ", "x"],
    ] as const) {
      refusalOf(() => parseEnvFile(head + part.repeat(many) + tail));
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  }, 30_000);
});
