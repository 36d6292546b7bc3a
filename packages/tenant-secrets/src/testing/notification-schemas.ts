import { readdirSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { z } from "zod";

const folder = new URL("../../../../docs/webhooks/", import.meta.url);

const Typed = z.object({ type: z.string() });

/**
 * Holds bodies of notifications to the JSON Schemas that receivers are given, with a validator that shares no code with what
 * makes them.
 *
 * @returns a sentence for each body that is not as the schema of its type says
 */
export function createSchemaCheck(): (bodies: readonly string[]) => readonly string[] {
  const ajv = new Ajv2020({ allErrors: true });
  ajvFormats.default(ajv);
  const validators = new Map(
    readdirSync(folder).map((file) => {
      const schema = z
        .record(z.string(), z.unknown())
        .parse(JSON.parse(readFileSync(new URL(file, folder), "utf8")));
      return [file.replace(/\.json$/, ""), ajv.compile(schema)] as const;
    }),
  );
  return (bodies) =>
    bodies.flatMap((text) => {
      const body: unknown = JSON.parse(text);
      const { type } = Typed.parse(body);
      const validate = validators.get(type);
      if (validate === undefined) return [`${type} has no schema`];
      return validate(body) ? [] : [`${type}: ${ajv.errorsText(validate.errors)}`];
    });
}
