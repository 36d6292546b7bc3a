import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { parseJsonFile, writeJsonFile } from "./json-file.ts";

const read = (file: string) => parseJsonFile(file).map(({ secretKey, text }) => [secretKey, text]);

function refusalOf(file: string): string {
  try {
    parseJsonFile(file);
  } catch (error) {
    if (error instanceof TenantSecretsError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "taken";
}
const at = (line: number, column: number, rule = "") =>
  `INVALID_INPUT The file was refused at line ${line}, column ${column}: ${rule}`;

test("a JSON file that was written is read back to the byte, values that are JSON included", () => {
  const text = fc.oneof(
    fc.string({ unit: fc.integer({ min: 0, max: 0x10_ffff }).map((code) => String.fromCodePoint(code)) }),
    fc.json({ maxDepth: 2 }),
    fc.constant(' {"b":1, "1":2, "b":3} '),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), (texts) => {
      const entries = texts.map((each, index) => ({ secretKey: `KEY_${index}`, text: each }));
      expect(read(writeJsonFile(entries))).toEqual(entries.map((entry) => [entry.secretKey, entry.text]));
    }),
    { numRuns: 300 },
  );
});

describe("a JSON file", () => {
  test.for([
    ["{}", []],
    ["[]", []],
    ['\ufeff{"A":"b"}', [["A", "b"]]],
    ['{\r\n "A" : "b\\r\\n$C"\r\n}', [["A", "b\r\n$C"]]],
    ['{"\\u0041":""}', [["A", ""]]],
    ['{"A":{"clientId": "c", "x": [1, null]}}', [["A", '{"clientId":"c","x":[1,null]}']]],
    [
      '[{"secretKey":"A","value":"b"},{"value":{"c":1},"secretKey":"B"}]',
      [
        ["A", "b"],
        ["B", '{"c":1}'],
      ],
    ],
  ] as const)("%s", ([file, wanted]) => {
    expect(read(file)).toEqual(wanted);
  });

  test.for([
    ["12345678901234567890", "12345678901234567890"],
    ["1.0", "1.0"],
    ["1e400", "1e400"],
    ["-0", "-0"],
    ['{"a": 12345678901234567890, "b": [1.0, -0, 1E5]}', '{"a":12345678901234567890,"b":[1.0,-0,1E5]}'],
    ['{"2": {"\\u0041": true}, "1": null}', '{"2":{"A":true},"1":null}'],
  ] as const)("keeps each digit and the order of %s", ([source, text]) => {
    expect(read(`{"A": ${source}}`)).toEqual([["A", text]]);
  });

  test.for([
    [
      "infisical export",
      '[{"key":"A","workspace":"w","value":"b","type":"shared","_id":"1","tags":null,"comment":""},{"key":"B","value":"c"}]',
    ],
    [
      "Infisical's API",
      '{"secrets":[{"_id":"1","secretKey":"A","secretValue":"b","type":"shared"},{"secretKey":"B","secretValue":"c"}],"imports":[{"secretPath":"/x","secrets":[]}]}',
    ],
    [
      "doppler secrets",
      '{"A":{"computed":"b","computedVisibility":"masked","computedValueType":{"type":"string"},"note":""},"B":{"computed":"c","raw":"${A}","rawVisibility":"masked"}}',
    ],
    [
      "vault kv get of version 2",
      '{"request_id":"r","lease_id":"","lease_duration":0,"renewable":false,"data":{"data":{"A":"b","B":"c"},"metadata":{"version":1}},"warnings":null}',
    ],
    [
      "vault kv get of version 1",
      '{"request_id":"r","lease_id":"","lease_duration":2764800,"renewable":false,"data":{"A":"b","B":"c"},"warnings":null}',
    ],
    ["AWS", '{"A":"b","B":"c"}'],
  ] as const)("of %s gives the names and values in it", ([, file]) => {
    expect(read(file)).toEqual([
      ["A", "b"],
      ["B", "c"],
    ]);
  });

  test("with a secret whose own members look like a tool's is still a file of ours", () => {
    expect(read('{"secrets":[{"secretKey":"A"}]}')).toEqual([["secrets", '[{"secretKey":"A"}]']]);
    expect(read('{"data":{"A":"b"}}')).toEqual([["data", '{"A":"b"}']]);
    expect(read('{"A":{"computed":"b","clientId":"c"}}')).toEqual([["A", '{"computed":"b","clientId":"c"}']]);
  });

  test.for([
    ['{"A":"ENC[AES256_GCM,data:x]","sops":{"mac":"ENC[x]"}}', at(1, 38, "the file is encrypted by sops")],
    [
      '{"ARN":"arn:fake","Name":"n","SecretString":"{}"}',
      at(1, 45, "this is an answer of AWS Secrets Manager"),
    ],
    ['{"lease_duration":0,"data":{"data":null,"metadata":{}}}', at(1, 36, "Vault gave no values")],
    ['{"A":{"computed":null,"note":""}}', at(1, 6, "Doppler gave no value")],
    [
      '{"secrets":[],"imports":[{"secrets":[{"secretKey":"A","secretValue":"b"}]}]}',
      at(1, 26, "secrets that Infisical imports"),
    ],
  ] as const)("without values in it is refused with what to do: %s", ([file, refusal]) => {
    const said = refusalOf(file);
    expect(said.startsWith(refusal), said).toBe(true);
  });

  test("says of each secret in what line it begins", () => {
    expect(parseJsonFile('{\r\n"A":"b",\n\n"B":\n"c"}').map(({ line }) => line)).toEqual([2, 4]);
    expect(parseJsonFile('[\n{"value":"b",\n"secretKey":"A"}]').map(({ line }) => line)).toEqual([3]);
  });

  test("changes the prototype of nothing, and keeps __proto__ as a name", () => {
    expect(read('{"__proto__":{"a":"b"},"constructor":{"__proto__":{"polluted":true}}}')).toEqual([
      ["__proto__", '{"a":"b"}'],
      ["constructor", '{"__proto__":{"polluted":true}}'],
    ]);
    expect("polluted" in {} || "a" in {}).toBe(false);
    expect(refusalOf('[{"__proto__":{"secretKey":"A","value":"b"}}]')).toContain("an item is an object of");
  });

  test.for([
    ["", at(1, 1, "this is not JSON")],
    ["sk_test_fake_codewiser_0001", at(1, 1, "this is not JSON")],
    ['{"A":"b"', at(1, 9, "this is not JSON")],
    ['{"A":"b",}', at(1, 10, "this is not JSON")],
    ['{\n  "A": "b"\n  "C": "d"\n}', at(3, 3, "this is not JSON")],
    ['{"A":"b"} // c', at(1, 11, "this is not JSON")],
    ["{'A':'b'}", at(1, 2, "this is not JSON")],
    ['{"A":NaN}', at(1, 6, "this is not JSON")],
    ['{"A":"b\nc"}', at(1, 6, "text in quotes has a line's end")],
    ['{"A\t":"b"}', at(1, 2, "text in quotes has a line's end")],
    ['"text"', at(1, 1, "a file is an object")],
    ["null", at(1, 1, "a file is an object")],
    ['{"A":true}', at(1, 6, "a value is text in quotes, a number, or an object")],
    ['{"A":null}', at(1, 6, "a value is text")],
    ['["A"]', at(1, 2, "an item is an object")],
    ['[{"secretKey":"A"}]', at(1, 2, "an item is an object")],
    ['[{"secretKey":1,"value":"b"}]', at(1, 2, "an item is an object")],
    ['[{"secretKey":"A","value":"b","c":1}]', at(1, 2, "an item is an object")],
    ['{"A":"b",\n"\\u0041":"b"}', at(2, 1, "line 1 gives a value to the same name")],
    ['{"A":{"c":1,\n"c":1}}', at(2, 1, "line 1 gives a value to the same name")],
    ['[{"secretKey":"A","value":"b"},\n{"secretKey":"A","value":"b"}]', at(2, 14, "line 1 gives a value")],
    ['{"A":"\0"}', at(1, 7, "a NUL or half of a character")],
    ['{"A":"\ud83d"}', at(1, 7, "a NUL or half of a character")],
    [`{"A":${"[".repeat(101)}${"]".repeat(101)}}`, at(1, 106, "objects or arrays are nested too deeply")],
    ["[".repeat(200_000), at(1, 1, "objects or arrays are nested too deeply")],
  ] as const)("is refused as a whole, with line and column: %j", ([file, refusal]) => {
    const said = refusalOf(file);
    expect(said.startsWith(refusal), said).toBe(true);
  });

  test("is refused without a word of what stands in it", () => {
    const secret = "fAkE0123456789fAkE";
    const parts = fc.array(fc.constantFrom(secret, '"', "{", "}", "[", "]", ":", ",", "\n"), {
      maxLength: 10,
    });
    fc.assert(
      fc.property(parts, (some) => {
        for (const file of [some.join(""), `{"A":${some.join("")}`, `[{"secretKey":"${some.join("")}`]) {
          expect(refusalOf(file)).not.toContain(secret.slice(0, 4));
        }
      }),
    );
  });

  test("of 10,000 secrets takes no longer than its length asks for", () => {
    const entries = Array.from({ length: 10_000 }, (_, index) => ({
      secretKey: `KEY_${index}`,
      text: "it's\r\n".repeat(20),
    }));
    const started = performance.now();
    expect(parseJsonFile(writeJsonFile(entries))).toHaveLength(10_000);
    expect(performance.now() - started).toBeLessThan(10_000);
  }, 30_000);
});
