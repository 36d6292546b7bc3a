import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { Hono } from "hono";
import { TenantSecretsError, type Catalog, type CompanySecrets } from "@repo/tenant-secrets";
import type { Stripe } from "stripe";
import { z } from "zod";
import type { ApiEnv } from "../context.ts";
import { HttpError, invalidInput } from "../http-error.ts";
import type { GetCompanyFromRequest } from "../middleware/company.ts";

const NewPayment = z.strictObject({
  /** In the currency's smallest unit: cents. */
  amount: z.int().min(1).max(99_999_999),
  currency: z.string().regex(/^[a-z]{3}$/),
});

/** Creates payments on the company's own Stripe account, with the company's own key. */
export function paymentRoutes(
  getCompanyFromRequest: GetCompanyFromRequest,
  stripeApiUrl: string,
): Hono<ApiEnv> {
  const stripeWith = createStripeWith(new URL(stripeApiUrl));

  return new Hono<ApiEnv>().post("/create", async (c) => {
    const company = await getCompanyFromRequest(c);
    const payment = NewPayment.safeParse(await c.req.json());
    if (!payment.success) {
      throw invalidInput(
        "Send an amount in the currency's smallest unit and a currency such as eur, and nothing else.",
      );
    }
    const idempotencyKey = idempotencyKeyOf(c.req.header("idempotency-key"));
    const stripe = await stripeWith(await stripeKeyOf(company.secrets));
    try {
      const { id, status, amount, currency } = await stripe.paymentIntents.create(payment.data, {
        ...idempotencyKey,
      });
      return c.json({ id, status, amount, currency }, 201);
    } catch (error) {
      throw await stripeHttpError(error);
    }
  });
}

/** A catalogue of another product may keep something else under this name. */
async function stripeKeyOf(secrets: Pick<CompanySecrets<Catalog>, "get">): Promise<string> {
  const key = await secrets.get("STRIPE_SECRET_KEY");
  if (typeof key === "string") return key;
  throw new TenantSecretsError("NOT_SUPPORTED", "STRIPE_SECRET_KEY of this catalogue is not a text.");
}

/** Loaded by the first payment: its library is a tenth of what a process that starts would load. */
const loadStripe = async () => (await import("stripe")).Stripe;

/** One pool of connections for the keys of all companies. */
function createStripeWith({ protocol, hostname, port }: URL): (secretKey: string) => Promise<Stripe> {
  const isPlain = protocol === "http:";
  const agent = isPlain ? new HttpAgent({ keepAlive: true }) : new HttpsAgent({ keepAlive: true });
  return async (secretKey) => {
    const Loaded = await loadStripe();
    return new Loaded(secretKey, {
      protocol: isPlain ? "http" : "https",
      host: hostname,
      ...(port === "" ? {} : { port }),
      httpClient: objectsOnly(Loaded.createNodeHttpClient(agent)),
      maxNetworkRetries: 1,
      timeout: 10_000,
      telemetry: false,
    });
  };
}

type StripeHttpClient = ReturnType<typeof Stripe.createNodeHttpClient>;

/**
 * Fails where the response is not a JSON object: on other JSON the library causes an unhandled rejection, which ends the
 * process.
 */
function objectsOnly(client: StripeHttpClient): StripeHttpClient {
  return {
    getClientName: () => client.getClientName(),
    makeRequest: async (...request) => {
      const response = await client.makeRequest(...request);
      const readJson = response.toJSON.bind(response);
      response.toJSON = async () => z.looseObject({}).parse(await readJson());
      return response;
    },
  };
}

/** @throws {HttpError} where it is malformed: to ignore it could repeat a payment */
function idempotencyKeyOf(header: string | undefined): { readonly idempotencyKey?: string } {
  if (header === undefined) return {};
  if (!/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw invalidInput("An Idempotency-Key has 1 to 255 visible ASCII characters.");
  }
  return { idempotencyKey: header };
}

/** Drops Stripe's own message, which quotes part of the key. */
async function stripeHttpError(error: unknown): Promise<unknown> {
  const { errors } = await loadStripe();
  if (!(error instanceof errors.StripeError)) return error;
  const diagnosis = `${error.type} ${error.statusCode ?? "without an answer"}`;
  switch (error.type) {
    case "StripeAuthenticationError":
    case "StripePermissionError":
      return new HttpError({
        status: 502,
        reason: "PROVIDER_REFUSED",
        message:
          "Stripe does not accept this company's STRIPE_SECRET_KEY for this: check it with Stripe, and replace it.",
        diagnosis,
      });
    case "StripeConnectionError":
    case "StripeAPIError":
    case "StripeRateLimitError":
      return new HttpError({
        status: 502,
        reason: "PROVIDER_UNAVAILABLE",
        message: "Stripe did not answer as it should. Try again in a moment, with the same Idempotency-Key.",
        diagnosis,
        retryAfterMs: 1000,
      });
    default:
      return new HttpError({
        status: 502,
        reason: "PROVIDER_REFUSED",
        message: "Stripe refused this payment: check amount and currency.",
        diagnosis,
      });
  }
}
