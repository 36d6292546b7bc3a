import { z } from "zod";
import { rule } from "../vocabulary/malformed-input.ts";
import { notificationTypes } from "../vocabulary/notifications.ts";
import { company as subdomain, moment, request, wholeNumber } from "./fields.ts";
import { operation, type InputOf, type OutputOf } from "./operation.ts";

/** The most endpoints of a company, and of the platform. */
export const maxEndpoints = 10;
/** The longest time for which a secret that was rolled still signs, in seconds: seven days. */
const maxOverlapSeconds = 604_800;
const defaultOverlapSeconds = 86_400;

const company = subdomain
  .optional()
  .describe("The company, by its subdomain; left out: the endpoints of the platform, for operators");
const endpoint = z.uuid({ error: rule("is the id of an endpoint") });

const NotificationTypes = z
  .array(z.enum(notificationTypes, { error: rule("is a type of notification: see webhooks.eventTypes") }))
  .min(1, { error: rule("names at least one type") })
  .max(100)
  .readonly();

const urlRule = rule("has 1 to 2,048 characters, and no space or control character");
// The URL standard removes spaces and controls, so that what is judged would not be what is stored.
const url = z
  .string()
  .max(2048, { error: urlRule })
  .regex(/^[^\s\p{C}]+$/u, { error: urlRule });
const descriptionRule = rule("has at most 200 characters of well-formed text without NUL");
const description = z
  .string()
  .max(200, { error: descriptionRule })
  .refine((text) => text.isWellFormed() && !text.includes("\0"), { error: descriptionRule });
const perSecond = wholeNumber(1, 1000).describe("Requests a second at most");

const EndpointState = z.enum(["unverified", "active", "paused", "disabled"]);
const DisabledReason = z.enum(["gone", "failures", "address"]);
export const DeliveryState = z.enum(["waiting", "parked", "delivered", "dead"]);
export type DeliveryState = z.infer<typeof DeliveryState>;

export const EndpointDescription = z.object({
  id: z.uuid(),
  /** Left out of the platform's. */
  company: z.string().optional(),
  url: z.string(),
  /** Left out: all. */
  types: z.array(z.enum(notificationTypes)).readonly().optional(),
  description: z.string(),
  state: EndpointState,
  disabledReason: DisabledReason.optional(),
  perSecond: z.int(),
  /** Its Ed25519 public key, `whpk_…`, for the signatures v1a. */
  publicKey: z.string(),
  /** The secret before the current one signs until then. */
  previousSecretUntil: z.date().optional(),
  failingSince: z.date().optional(),
  /** Deliveries that wait. */
  waiting: z.int(),
  /** Deliveries that were given up, as far as they are kept. */
  dead: z.int(),
  createdAt: z.date(),
});
export type EndpointDescription = Readonly<z.infer<typeof EndpointDescription>>;

export const DeliveryDescription = z.object({
  id: z.uuid(),
  endpoint: z.uuid(),
  /** The header `webhook-id`, the same in all attempts. */
  webhookId: z.string(),
  type: z.enum(notificationTypes),
  /** `parked`: it waits for its endpoint to be active. `dead`: given up; it can be replayed. */
  state: DeliveryState,
  body: z.string(),
  createdAt: z.date(),
  nextAt: z.date().optional(),
  finishedAt: z.date().optional(),
  attempts: z
    .array(
      z.object({
        startedAt: z.date(),
        milliseconds: z.number(),
        status: z.int().optional(),
        failure: z.string().optional(),
      }),
    )
    .readonly(),
});
export type DeliveryDescription = Readonly<z.infer<typeof DeliveryDescription>>;

/** An endpoint with its secret, `whsec_…`, which is shown in this answer, and in that to a repetition with the same request id. */
const withSecret = z.object({ secret: z.string(), endpoint: EndpointDescription });

const TestResult = z.object({
  delivered: z.boolean(),
  /** The first digit of the status, such as 2; left out where there was no answer. */
  statusClass: z.int().optional(),
  failure: z.string().optional(),
  milliseconds: z.number(),
});
export type TestResult = Readonly<z.infer<typeof TestResult>>;

const change = { kind: "mutation", verb: "webhooks" } as const;

/** Where notifications of changes are sent. A company's owners and admins manage its endpoints, operators the platform's. */
export const webhookOperations = {
  list: operation({
    kind: "query",
    verb: "webhooks",
    input: z.strictObject({ company }),
    output: z.object({ endpoints: z.array(EndpointDescription).readonly() }),
  }),

  /** The types that endpoints can ask for. The platform's get those of companies as well. */
  eventTypes: operation({
    kind: "query",
    verb: "webhooks",
    input: z.strictObject({ company }),
    output: z.object({ types: z.array(z.enum(notificationTypes)).readonly() }),
  }),

  /** Answers with the endpoint's secret. The endpoint gets a test, and nothing else until it has answered that with a 2xx. */
  create: operation({
    ...change,
    stepUp: true,
    input: z.strictObject({
      company,
      url,
      types: NotificationTypes.optional().describe("The types that it gets; left out: all"),
      description: description.default(""),
      perSecond: perSecond.default(50),
      ...request,
    }),
    output: withSecret,
  }),

  /** With another URL it has to answer a test again; what waits for it stays. */
  update: operation({
    ...change,
    stepUp: true,
    input: z.strictObject({
      company,
      endpoint,
      url: url.optional(),
      types: NotificationTypes.nullable().optional().describe("The types that it gets; null: all"),
      description: description.optional(),
      perSecond: perSecond.optional(),
    }),
    output: EndpointDescription,
  }),

  /** Answers with the next secret. Both sign until the overlap ends. */
  roll: operation({
    ...change,
    stepUp: true,
    input: z.strictObject({
      company,
      endpoint,
      overlapSeconds: wholeNumber(0, maxOverlapSeconds)
        .default(defaultOverlapSeconds)
        .describe("For how long the old secret signs as well: 24h, at most 7d"),
      /** Ends the overlap of an earlier roll, whose secret may still be in use. */
      force: z.boolean().default(false),
      ...request,
    }),
    output: withSecret,
  }),

  pause: operation({ ...change, input: z.strictObject({ company, endpoint }), output: EndpointDescription }),
  /** What waited for less than 72 hours is sent; what waited longer is dead, and can be replayed. */
  resume: operation({ ...change, input: z.strictObject({ company, endpoint }), output: EndpointDescription }),
  /** Removes it with its secret, its waiting deliveries and its log. */
  remove: operation({
    ...change,
    stepUp: true,
    input: z.strictObject({ company, endpoint }),
    output: z.null(),
  }),

  /** Sends a test now, and answers how that went. */
  test: operation({
    ...change,
    input: z.strictObject({ company, endpoint }),
    output: TestResult,
  }),

  /** The newest first. */
  deliveries: operation({
    kind: "query",
    verb: "webhooks",
    input: z.strictObject({
      company,
      endpoint: endpoint.optional(),
      state: DeliveryState.optional(),
      /** The id of the last delivery of a page. */
      before: z.uuid().optional(),
      limit: z.int().min(1).max(200).default(50),
    }),
    output: z.object({ deliveries: z.array(DeliveryDescription).readonly() }),
  }),

  /** Sends again, with the same id and body: one delivery, or those of an endpoint. At most 10,000. */
  replay: operation({
    ...change,
    input: z.strictObject({
      company,
      /** This one; or else those of `endpoint` since `since`. */
      delivery: z.uuid().optional(),
      endpoint: endpoint.optional(),
      since: moment.optional(),
      until: moment.optional(),
      states: z
        .array(z.enum(["delivered", "dead"]))
        .min(1)
        .max(2)
        .readonly()
        .default(["dead"]),
    }),
    output: z.object({ deliveries: z.int() }),
  }),
};

export type NewEndpoint = InputOf<(typeof webhookOperations)["create"]>;
export type EndpointChange = InputOf<(typeof webhookOperations)["update"]>;
export type EndpointRoll = InputOf<(typeof webhookOperations)["roll"]>;
export type EndpointWithSecret = Readonly<OutputOf<(typeof webhookOperations)["create"]>>;
export type DeliveryQuery = InputOf<(typeof webhookOperations)["deliveries"]>;
export type Replay = InputOf<(typeof webhookOperations)["replay"]>;
