import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type Caller, systemCaller, TenantSecretsError } from "@repo/catalog";
import { createFixture, operator, silentUrl } from "../testing/fixture.ts";
import { inProcessFetch } from "./handler.ts";
import { plainPath } from "./plain-door.ts";
import { appRouter, createCaller } from "./router.ts";
import { serviceProcedures } from "./service-procedures.ts";
import { createCallerContext } from "./trpc.ts";

// Calls every procedure as a permitted actor, with unusual input that its schema accepts: one unusual field at a time, all
// others valid.

const fixture = await createFixture();
const company = await fixture.company("database");
const generous = {
  refusalsPerMinute: 1_000_000,
  sensitiveCallsPerMinute: 1_000_000,
  callsPerSecond: 1_000_000,
};
const secrets = fixture.another({ limits: generous });
const all = systemCaller("all", { verbs: ["describe", "use", "write", "delete"], secretKeys: ["*"] });
const owner = await fixture.person(company, "owner");
const { endpoint } = await secrets.webhooks.create(owner, {
  company,
  url: silentUrl,
  description: "",
  perSecond: 1,
});
const [delivery] = await secrets.webhooks.deliveries.list(owner, { company, limit: 1 });
const callers: readonly Caller[] = [operator, owner, all];

type JsonSchema = z.core.JSONSchema.BaseSchema;

const texts = [
  "",
  " ",
  "x",
  "\0",
  "a\0b",
  "\ud800",
  "\udc00\ud800",
  "\ufeff",
  "__proto__",
  "constructor",
  "null",
  "{}",
  "[]",
  '{"format":"tenant-secrets-rotation/1"}',
  "1.x",
  `1.${"A".repeat(43)}`,
  "1.",
  "99999.AAAA",
  "2147483648.x",
  "-1",
  "9".repeat(100),
  "00000000-0000-0000-0000-000000000000",
  "ts1.1.AAAA.BBBB",
  "../..",
  "'; drop table companies; --",
  "%00",
  "${a}",
  "\u{1F511}".repeat(40),
];
const numbers = [
  0,
  1,
  -1,
  2_147_483_647,
  2_147_483_648,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  0.5,
];
const dates = [0, 8.64e15, -8.64e15, -62_167_219_200_001, 253_402_300_800_000, -1].map((at) => new Date(at));

/** @returns a valid input, and its unusual replacements */
function valuesOf(
  schema: JsonSchema,
  name: string,
): { readonly plain: unknown; readonly strange: readonly unknown[] } {
  if (schema.enum !== undefined) return { plain: schema.enum[0], strange: schema.enum.slice(1) };
  if (schema.anyOf !== undefined) {
    const options = schema.anyOf.map((option) => valuesOf(partOf(option), name));
    return {
      plain: options[0]?.plain,
      strange: options.flatMap(({ plain, strange }) => [plain, ...strange]),
    };
  }
  switch ([schema.type].flat()[0]) {
    case "object": {
      const fields = Object.entries(schema.properties ?? {}).map(
        ([field, part]) => [field, valuesOf(partOf(part), field)] as const,
      );
      const needed = fields.filter(([field]) => schema.required?.includes(field) === true);
      const plain = Object.fromEntries(needed.map(([field, values]) => [field, values.plain]));
      return {
        plain,
        strange: fields.flatMap(([field, values]) =>
          [values.plain, ...values.strange].map((value) => ({ ...plain, [field]: value })),
        ),
      };
    }
    case "array": {
      const { plain, strange } = valuesOf(partOf(schema.items), name);
      const { maxItems = 3 } = schema;
      return {
        plain: [plain],
        strange: [[], [plain, plain], Array(maxItems).fill(plain), ...strange.map((each) => [each])],
      };
    }
    case "integer":
    case "number":
      return { plain: 1, strange: numbers };
    case "boolean":
      return { plain: false, strange: [true] };
    case "string": {
      if (schema.format === "date-time") return { plain: new Date(Date.now() + 3_600_000), strange: dates };
      const { maxLength = 100 } = schema;
      const full = ["x", "\ud800", "\u{1F511}"].map((each) =>
        each.repeat(Math.floor(maxLength / each.length)),
      );
      return { plain: plainTexts[name] ?? "x", strange: [...texts, ...full] };
    }
    default:
      return { plain: { secretKey: "CUSTOM_A", text: "a", line: 1 }, strange: [null, 1, "x", [], {}] };
  }
}

const plainTexts: Readonly<Record<string, string>> = {
  company,
  companies: company,
  subdomain: company,
  secretKey: "CUSTOM_A",
  secretKeys: "CUSTOM_A",
  email: "strange@example.com",
  url: silentUrl,
  endpoint: endpoint.id,
  delivery: delivery?.id ?? "",
  before: delivery?.id ?? "",
};

function partOf(part: JsonSchema["items"] | z.core.JSONSchema._JSONSchema): JsonSchema {
  return typeof part === "object" && !Array.isArray(part) ? part : {};
}

/** They remove the endpoint, and destroy the keys of the company, that all of them are asked about. */
const lastOnes = ["webhooks.remove", "companies.shred", "companies.delete"];
const procedures = Object.entries(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tRPC keeps them by path, whatever its types say
  appRouter._def.procedures as unknown as Record<
    string,
    { readonly _def: { readonly inputs: readonly unknown[] } }
  >,
).toSorted(([a], [b]) => lastOnes.indexOf(a) - lastOnes.indexOf(b));

function strangeInputs(input: unknown): readonly unknown[] {
  if (!(input instanceof z.ZodType)) return [undefined];
  const schema = z.toJSONSchema(input, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type === "date")
        Object.assign(jsonSchema, { type: "string", format: "date-time" });
    },
  });
  const { plain, strange } = valuesOf(schema, "");
  return [plain, ...strange];
}

const strangeBodies = [
  "",
  "null",
  "[]",
  "1",
  '"x"',
  "{",
  '[{"company":"x"}]',
  '{"0":{"company":"x"}}',
  '{"__proto__":{"polluted":true}}',
  `{"company":"${company}","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}`,
  `{"json":{"company":"${company}"},"meta":{"values":{"company":["Date"]}}}`,
];

let addresses = 0;
const nextAddress = (): string => `10.${++addresses >> 8}.${addresses & 255}.1`;

async function codeOfCall(caller: Caller, path: string, input: unknown): Promise<string> {
  const call: unknown = path.split(".").reduce<unknown>(
    (at, name) => Reflect.get(Object(at), name),
    // Calls without a credential are counted by network.
    createCaller(createCallerContext(secrets, { ...caller, address: nextAddress() })),
  );
  if (typeof call !== "function") throw new Error(`${path} is no procedure`);
  try {
    await call(input);
    return "done";
  } catch (error) {
    const cause: unknown = error instanceof Error ? error.cause : undefined;
    return cause instanceof TenantSecretsError
      ? `${cause.code} ${cause.diagnosis ?? ""}`
      : "no error of ours";
  }
}

const theCallers =
  /^(?:done|UNAUTHENTICATED|FORBIDDEN|NOT_FOUND|UNKNOWN_SECRET_KEY|INVALID_INPUT|INVALID_VALUE|CONFLICT|NOT_SUPPORTED)/;
/** Tests of an endpoint have a limit of their own. */
const tooOften = (path: string, code: string) => path === "webhooks.test" && code.startsWith("RATE_LIMITED");

describe("unusual input", () => {
  // Before those below, which shred the company.
  it.each([...serviceProcedures.keys()])(
    "unusual input of %s in plain JSON is the sender's error, and raises no alarm",
    { timeout: 180_000 },
    async (path) => {
      const { apiKey } = await secrets.apiKeys.create(operator, {
        name: "strange",
        companies: [company],
        platform: false,
        verbs: ["describe", "use", "write", "delete", "export"],
        secretKeys: ["*"],
        expiresAt: new Date(Date.now() + 3_600_000),
      });
      const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
      const send = inProcessFetch(secrets);
      const input = procedures.find(([name]) => name === path)?.[1]._def.inputs[0];
      const sent = strangeInputs(input).map((each) => JSON.stringify(each ?? {}));
      const wrong = new Set<string>();
      await Promise.all(
        [...sent, ...strangeBodies].map(async (body) => {
          const answer = await send(`http://in-process${plainPath}${path}`, {
            method: "POST",
            headers,
            body,
          });
          const text = await answer.text();
          const isFine = answer.ok || theCallers.test(/"reason":"([A-Z_]+)"/.exec(text)?.[1] ?? "");
          if (!isFine) wrong.add(`${text.slice(0, 200)} for ${body.slice(0, 300)}`);
        }),
      );
      expect([...wrong]).toEqual([]);
      expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
    },
  );

  it.each(procedures)(
    "unusual input of %s is the sender's error, and raises no alarm",
    { timeout: 180_000 },
    async (path, { _def: { inputs } }) => {
      const wrong = new Set<string>();
      const sent = strangeInputs(inputs[0]);
      for (const caller of callers) {
        const codes = await Promise.all(sent.map((input) => codeOfCall(caller, path, input)));
        for (const [i, code] of codes.entries()) {
          if (!theCallers.test(code) && !tooOften(path, code))
            wrong.add(`${code} for ${JSON.stringify([sent[i]]).slice(0, 300)}`);
        }
      }
      expect([...wrong]).toEqual([]);
    },
  );
});
