import { describe, expect, it } from "vitest";
import { z } from "zod";
import { malformedInput, UnreadEntry } from "@repo/catalog";
import { appRouter } from "./router.ts";

/** Inputs whose elements the vault validates after the permission check, with `UnreadEntry`. */
const unread = new Set(["secrets.planImport.entries[]", "secrets.import.entries[]"]);

const longestList = 1000;
const longestText = 500_000;

type JsonSchema = z.core.JSONSchema.BaseSchema;

function jsonSchemaOf(input: unknown): JsonSchema {
  if (!(input instanceof z.ZodType)) throw new Error("no schema of zod");
  return z.toJSONSchema(input, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type === "date") jsonSchema.type = "number";
    },
  });
}

/** Schema locations that may be unbounded or of any form. */
function unbounded(schema: JsonSchema, at: string): readonly string[] {
  const { anyOf, maxLength = Infinity, maxItems = Infinity, items, properties = {} } = schema;
  if (anyOf !== undefined) return anyOf.flatMap((option) => unbounded(partOf(option), at));
  if (schema.enum !== undefined || schema.const !== undefined) return [];
  // The type of a nullable field is a list of two.
  const [type] = [schema.type].flat();
  switch (type) {
    case "string":
      return schema.format === "uuid" || maxLength <= longestText ? [] : [`${at}: text`];
    case "array":
      return [...(maxItems <= longestList ? [] : [`${at}: list`]), ...unbounded(partOf(items), `${at}[]`)];
    case "object":
      return [
        ...(schema.additionalProperties === false ? [] : [`${at}: takes unknown fields`]),
        ...Object.entries(properties).flatMap(([name, field]) => unbounded(partOf(field), `${at}.${name}`)),
      ];
    case "number":
    case "integer":
    case "boolean":
    case "null":
      return [];
    default:
      return unread.has(at) ? [] : [`${at}: anything`];
  }
}

/** A schema for all elements, or for one field. */
function partOf(part: JsonSchema["items"] | z.core.JSONSchema._JSONSchema): JsonSchema {
  return typeof part === "object" && !Array.isArray(part) ? part : {};
}

const procedures = Object.entries(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tRPC keeps them by path, whatever its types say
  appRouter._def.procedures as unknown as Record<
    string,
    { readonly _def: { readonly inputs: readonly unknown[] } }
  >,
);
const inputs = procedures.flatMap(([name, { _def }]) =>
  _def.inputs.map((input) => [name, jsonSchemaOf(input)] as const),
);

describe("the bounds of an input", () => {
  it.each([...inputs, ["UnreadEntry", jsonSchemaOf(UnreadEntry)] as const])(
    "every list and string is bounded and unknown fields are refused in the input of %s",
    (name, input) => {
      expect(unbounded(input, name)).toEqual([]);
    },
  );

  it("the search for unbounded fields finds each kind of them", () => {
    expect(inputs.length).toBeGreaterThan(30);
    const lax = z.object({
      text: z.string(),
      list: z.array(z.string().max(1)),
      texts: z.array(z.string().optional()).max(3),
      record: z.record(z.string(), z.string()),
      anything: z.unknown(),
    });
    expect(unbounded(jsonSchemaOf(lax), "lax")).toEqual([
      "lax: takes unknown fields",
      "lax.text: text",
      "lax.list: list",
      "lax.texts[]: text",
      "lax.record: takes unknown fields",
      "lax.anything: anything",
    ]);
  });

  it("no element of an overlong list is validated", () => {
    let looked = 0;
    const element = z.custom(() => {
      looked += 1;
      return false;
    });
    expect(
      z.strictObject({ list: z.array(element).max(100) }).safeParse({ list: Array(101).fill(0) }).success,
    ).toBe(false);
    expect(looked).toBe(0);
  });
});

it("an error names a few of the invalid fields and their bounds, and never their content", () => {
  const Writes = z.strictObject({
    writes: z.array(z.strictObject({ secretKey: z.string().max(9) })).max(100),
  });
  const sentenceOf = (input: unknown) => malformedInput(Writes.safeParse(input).error).message;
  const form = "does not have the form that this procedure takes.";
  expect(sentenceOf({ writes: Array(101).fill(0) })).toBe(
    `The request was refused: writes (at most 100) ${form}`,
  );
  expect(sentenceOf({ writes: Array.from({ length: 100 }, () => ({})) })).toBe(
    `The request was refused: writes.0.secretKey, writes.1.secretKey, writes.2.secretKey, writes.3.secretKey, writes.4.secretKey and 95 more ${form}`,
  );
  expect(sentenceOf({ writes: [{ secretKey: "sk_test_fake_0001" }] })).toBe(
    `The request was refused: writes.0.secretKey (at most 9) ${form}`,
  );
  expect(sentenceOf({ sk_test_fake_0001: 1, writes: [] })).toBe(
    "The request does not have the form that this procedure takes.",
  );
});
