import { z } from "zod";
import { errorCodes, TenantSecretsError, UnreadEntry, type ErrorCode } from "@repo/catalog";
import { plainPath } from "./plain-door.ts";
import { type ServiceProcedure, serviceProcedures } from "./service-procedures.ts";
import { httpStatusOf } from "./trpc.ts";

type JsonObject = Readonly<Record<string, unknown>>;

const about = `The procedures that API keys of services may call, in plain JSON. A procedure has one name everywhere: \`secrets.read\` is
\`POST ${plainPath}secrets.read\` here, \`secrets.read\` of the typed client, and in the audit log its events.

- **Requests** are POST with the content type \`application/json\` and the input as the body. Unknown fields are refused. A body has at
  most 512 KiB and nests at most 20 levels deep. One request is one call.
- **Dates** are texts of RFC 3339, such as \`2030-01-31T00:00:00Z\`. Values are texts.
- **Answers** are the output as JSON, or 204 without a body where there is none. None may be cached.
- **Errors** are \`{"error":{"reason","message","requestId"}}\`, with more fields where they help. \`reason\` is for programs, \`message\`
  for people. Another company, an unknown company and a missing secret give the same NOT_FOUND, to the byte but for the request id.
- **Trying again**: a change with a \`requestId\` of the caller's, sent again within 24 hours with the same content, is applied once and
  has the same answer; with other content it is a CONFLICT. 429 and 503 say with \`Retry-After\` when to try.
- **Conditional changes**: with \`expectedVersion\`, a change is made only if that is the current version, 0 for none yet; otherwise it is a
  CONFLICT that has \`currentVersion\`.
- **Names and values** depend on the catalogue of the deployment: \`catalog.describe\` has each secret's name and a JSON Schema of its value.`;

/** What a status says, for those of the errors below. */
const meanings: Readonly<Record<number, string>> = {
  400: "The request is malformed, or the catalogue refuses the value.",
  401: "There is no API key, or it is expired, revoked or unknown.",
  403: "The API key may not do this, or the company is suspended.",
  404: "There is no such procedure, company or secret that this API key may know of.",
  409: "The state is another one than the change expects, or the company is at home in another region, which `homeRegion` names.",
  412: "The company's keys were destroyed on purpose.",
  413: "The body is larger than 512 KiB.",
  415: "The content type is not application/json.",
  422: "The company's store, or the entry of the catalogue, cannot do this.",
  429: "Too many calls, or too many refused ones. `Retry-After` says when to try again.",
  500: "A fault of the server. `requestId` is in its log.",
  503: "The database, Infisical, the keys or the audit log cannot be reached, or the server is overloaded. `Retry-After` says when to try again.",
};
const waits = new Set([429, 503]);

/** An OpenAPI 3.1 document of the procedures that API keys may call. It is the same for every deployment and caller. */
export function openApiDocument(): JsonObject {
  const procedures = [...serviceProcedures].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    openapi: "3.1.0",
    info: { title: "Tenant Secrets", version: "1", description: about },
    servers: [{ url: "/", description: "Where this document was served" }],
    security: [{ apiKey: [] }],
    tags: [...new Set(procedures.map(([path]) => tagOf(path)))].map((name) => ({ name })),
    paths: Object.fromEntries(
      procedures.map(([path, procedure]) => [plainPath + path, pathItem(path, procedure)]),
    ),
    components: {
      securitySchemes: {
        apiKey: {
          type: "http",
          scheme: "bearer",
          description:
            "An API key of a service, `tsk_…`: made on a company's page, or by `secrets api-keys create`.",
        },
      },
      headers: {
        "Retry-After": {
          description: "In how many seconds to try again.",
          schema: { type: "integer", minimum: 1 },
        },
        "X-Request-Id": {
          description: "As `requestId` of an error.",
          schema: { type: "string", format: "uuid" },
        },
      },
      responses: Object.fromEntries(
        Object.entries(meanings).map(([status, description]) => [
          `Error${status}`,
          errorResponse(Number(status), description),
        ]),
      ),
      schemas: { Error: errorSchema() },
    },
  };
}

function pathItem(path: string, { summary, example, input, output }: ServiceProcedure): JsonObject {
  const [first = summary] = /^[^.:]+/.exec(summary) ?? [];
  return {
    post: {
      operationId: path,
      tags: [tagOf(path)],
      summary: first,
      description: summary,
      requestBody: {
        required: true,
        content: { "application/json": { schema: jsonSchema(input, "input"), example } },
      },
      responses: {
        ...(output instanceof z.ZodVoid
          ? { 204: { description: "It was done.", headers: requestIdHeader } }
          : {
              200: {
                description: "The answer.",
                headers: requestIdHeader,
                content: { "application/json": { schema: jsonSchema(output, "output") } },
              },
            }),
        ...Object.fromEntries(
          Object.keys(meanings).map((status) => [status, { $ref: `#/components/responses/Error${status}` }]),
        ),
      },
    },
  };
}

const requestIdHeader = { "X-Request-Id": { $ref: "#/components/headers/X-Request-Id" } };

function tagOf(path: string): string {
  return path.slice(0, path.indexOf("."));
}

/** As JSON has it: a date is a text. Answers may get more fields, and clients ignore those that they do not know. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema: made }) => {
      const { type } = zodSchema._zod.def;
      // Of TypeScript alone: in OpenAPI it says that a request leaves the field out.
      delete made.readOnly;
      if (type === "date") Object.assign(made, { type: "string", format: "date-time" });
      // The one schema of code is that of an entry of a file, which is read later: see UnreadEntry.
      if (type === "custom") Object.assign(made, jsonSchema(UnreadEntry, "input"));
      if (type === "object" && io === "output") delete made.additionalProperties;
    },
  });
  return rest;
}

function errorResponse(status: number, description: string): JsonObject {
  const reasons = errorCodes.filter((code) => statusOf(code) === status);
  return {
    description: reasons.length === 0 ? description : `${description} Reasons: ${reasons.join(", ")}.`,
    headers: {
      ...requestIdHeader,
      ...(waits.has(status) ? { "Retry-After": { $ref: "#/components/headers/Retry-After" } } : {}),
    },
    content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
  };
}

function statusOf(code: ErrorCode): number {
  return httpStatusOf(new TenantSecretsError(code, ""));
}

const reason = z.enum(errorCodes).describe("For programs.");
const currentVersion = z
  .int()
  .min(0)
  .describe("With CONFLICT: the version that the secret has now; 0 for none.");
const ErrorBody = z.object({
  error: z.object({
    reason,
    message: z.string().describe("For people: what to do. It quotes nothing of the request."),
    requestId: z
      .string()
      .optional()
      .describe("What to give an operator, who finds the request in log and audit log by it."),
    retryAfterMs: z
      .int()
      .min(0)
      .optional()
      .describe("When the same call may succeed, in milliseconds from now."),
    currentVersion: currentVersion.optional(),
    approvalId: z
      .string()
      .optional()
      .describe("With APPROVAL_REQUIRED: what another operator has to approve."),
    homeRegion: z.string().optional().describe("With WRONG_REGION: where the company is at home."),
    homeAddress: z.string().optional().describe("With WRONG_REGION: of the API there."),
    failures: z
      .array(
        z.object({
          secretKey: z.string(),
          code: reason,
          message: z.string(),
          currentVersion: currentVersion.optional(),
        }),
      )
      .optional()
      .describe("Of a batch, which was refused as a whole: each secret that stood in its way."),
    fields: z.array(z.string()).optional().describe("The fields of the request that the message names."),
  }),
});

function errorSchema(): JsonObject {
  return jsonSchema(ErrorBody, "output");
}
