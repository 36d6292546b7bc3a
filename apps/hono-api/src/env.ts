import { databaseVariables } from "@repo/db";
import { EnvironmentError, readEnvironment } from "@repo/environment";
import { infisicalVariables } from "@repo/infisical";
import { allowsLoopback, outboundVariables } from "@repo/outbound";
import { retentionBounds } from "@repo/tenant-secrets";
import { driverVariables } from "@repo/tenant-secrets/drivers";
import { z } from "zod";
import { logLevels } from "./log.ts";

const wholeNumber = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number);

/** A whole number within bounds, which the error names. */
const wholeFrom = ([least, most]: readonly [number, number]) =>
  z
    .string()
    .refine(
      (text) => /^\d{1,6}$/.test(text) && Number(text) >= least && Number(text) <= most,
      `is no whole number from ${least} to ${most}`,
    )
    .transform(Number);

const rate = z
  .string()
  .regex(/^\d{1,7}$/)
  .transform(Number)
  .pipe(z.int().min(1))
  .optional();

const origin = z
  .string()
  .refine(
    (text) => URL.parse(text)?.origin === text,
    "holds more or less than an origin such as https://admin.example.com",
  );

/** Plain http is for names of the browser's own machine: a session would cross any other network in the clear. */
function isSafeToSignInAt(url: string): boolean {
  return /^(?:https:\/\/|http:\/\/(?:(?:[^/]+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$)/.test(url);
}

/** The environment variables of this process. docs/configuration.md says what they are. */
export const apiVariables = {
  ...databaseVariables,
  DATABASE_MAX_CONNECTIONS: wholeNumber.pipe(z.int().min(1).max(500)).default(10),
  DATABASE_DEADLINE_MS: wholeNumber.pipe(z.int().min(100)).default(10_000),
  ...infisicalVariables,
  /** The module with the catalogue of the product: a path or a package. */
  SECRETS_CATALOG: z.string().min(1).default("@repo/delivery-chat"),
  MASTER_KEY_REGION: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/)
    .default("default"),
  /** How many operators it takes to do what cannot be undone: with 2, another one has to approve it. */
  OPERATOR_APPROVALS: z
    .enum(["1", "2"])
    .default("2")
    .transform((number): 1 | 2 => (number === "1" ? 1 : 2)),
  /** Of age, separated by commas; with KEY_BACKUP_DIR, operators may start rotations here. */
  KEY_BACKUP_RECIPIENTS: z
    .string()
    .transform((text) => text.split(",").map((recipient) => recipient.trim()))
    .optional(),
  KEY_BACKUP_DIR: z.string().min(1).optional(),
  HOST: z.string().min(1).default("127.0.0.1"),
  PORT: wholeNumber.pipe(z.int().max(65_535)).default(3000),
  /** Where GET /metrics is answered, and nothing else; none without it. */
  METRICS_PORT: wholeNumber.pipe(z.int().max(65_535)).optional(),
  /** One more is answered with 503, at once. */
  MAX_REQUESTS_IN_FLIGHT: wholeNumber.pipe(z.int().min(1)).default(1000),
  /** How long the server waits: for the next request of a connection, for a request's headers, for all of a request. */
  KEEP_ALIVE_SECONDS: wholeNumber.pipe(z.int().min(1).max(3600)).default(75),
  REQUEST_HEADERS_SECONDS: wholeNumber.pipe(z.int().min(1).max(300)).default(10),
  REQUEST_SECONDS: wholeNumber.pipe(z.int().min(1).max(600)).default(30),
  /** Once the process is told to stop: how long it serves on, and says that it is not ready. Then how long running requests may take to end. */
  DRAIN_SECONDS: wholeNumber.pipe(z.int().max(3600)).default(10),
  STOP_SECONDS: wholeNumber.pipe(z.int().max(3600)).default(10),
  /** `acmecorp.<BASE_DOMAIN>` is the host of the company acmecorp. */
  BASE_DOMAIN: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,180}$/)
    .transform((domain) => domain.replace(/\.$/, ""))
    .default("localhost"),
  /** Where browsers find the admin app. Default: the address that the server listens on. */
  PUBLIC_URL: origin
    .refine(isSafeToSignInAt, "starts with https://, or names this machine, such as http://localhost:3000")
    .optional(),
  /** How many proxies of ours a request passes: that many addresses of X-Forwarded-For are theirs to say. */
  TRUSTED_PROXIES: wholeNumber.pipe(z.int().max(10)).default(0),
  /** Whose pages may send requests that change something, separated by commas. */
  ALLOWED_ORIGINS: z
    .string()
    .transform((text) => text.split(",").map((part) => part.trim()))
    .pipe(z.array(origin))
    .default([]),
  /** TTLs and size of the cache: docs/caching.md. */
  CACHE_TTL_SECONDS: wholeNumber.pipe(z.int().min(1).max(3600)).default(300),
  CACHE_NEGATIVE_TTL_SECONDS: wholeNumber.pipe(z.int().max(3600)).default(10),
  CACHE_STALE_IF_ERROR_SECONDS: wholeNumber.pipe(z.int().max(86_400)).default(3600),
  CACHE_MAX_ENTRIES: z
    .string()
    .regex(/^\d{1,7}$/)
    .transform(Number)
    .pipe(z.int().min(1))
    .default(50_000),
  CACHE_MAX_MEBIBYTES: wholeNumber.pipe(z.int().min(1)).default(64),
  /** How much is too much: see RateLimitOptions, which has the defaults. */
  RATE_LIMIT_FAILED_CREDENTIALS_PER_MINUTE: rate,
  RATE_LIMIT_REFUSALS_PER_MINUTE: rate,
  RATE_LIMIT_SENSITIVE_CALLS_PER_MINUTE: rate,
  RATE_LIMIT_CALLS_PER_SECOND: rate,
  RATE_LIMIT_COMPANY_CALLS_PER_SECOND: rate,
  /** Requests a minute that mirrors of companies send to Infisical, of the budget of migrations. */
  MIRROR_REQUESTS_PER_MINUTE: z
    .string()
    .regex(/^(?:unlimited|[1-9]\d{0,4})$/)
    .transform((text) => (text === "unlimited" ? null : Number(text)))
    .default(60),
  /** The part of served values that are compared with Infisical afterwards. */
  SHADOW_SAMPLE: z
    .string()
    .regex(/^(?:0(?:\.\d{1,6})?|1(?:\.0{1,6})?)$/)
    .transform(Number)
    .default(0.01),
  /** The retention period of audit events. Unlimited if omitted. */
  AUDIT_RETENTION_DAYS: wholeFrom([30, 36_500]).optional(),
  /** How many values of a secret are kept, and for how long at least. */
  VERSIONS_KEPT: wholeFrom(retentionBounds.versions).default(20),
  VERSIONS_KEPT_DAYS: wholeFrom(retentionBounds.versionDays).default(1),
  /** Finished runs are kept without a limit if omitted. */
  RUNS_RETENTION_DAYS: wholeFrom(retentionBounds.runDays).optional(),
  DELIVERIES_RETENTION_DAYS: wholeFrom(retentionBounds.deliveryDays).default(30),
  /** How much one company may keep in the database. */
  QUOTA_SECRETS: wholeNumber.pipe(z.int().min(1)).default(10_000),
  QUOTA_VERSIONS: wholeNumber.pipe(z.int().min(1)).default(500_000),
  QUOTA_MEBIBYTES: wholeNumber.pipe(z.int().min(1)).default(512),
  /** Sends the mail of invitations; without it there are none. With it, MAIL_FROM and PUBLIC_URL are needed. */
  SMTP_URL: z.string().min(1).optional(),
  MAIL_FROM: z.string().min(1).optional(),
  ...outboundVariables,
  ...driverVariables,
  STRIPE_API_URL: z.url({ protocol: /^https?$/ }).default("https://api.stripe.com"),
  SENDGRID_API_URL: z.url({ protocol: /^https?$/ }).default("https://api.sendgrid.com"),
  /** Another server than AWS's own for the keys that companies have in AWS KMS. */
  AWS_KMS_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** For how many seconds a key that one of those has opened is used. */
  EXTERNAL_KEY_TTL_SECONDS: wholeNumber.pipe(z.int().min(10).max(300)).default(60),
  LOG_LEVEL: z.enum(logLevels).default("info"),
  JOBS: z.enum(["in-process", "none"]).default("in-process"),
} as const;

export type ApiEnvironment = z.output<z.ZodObject<typeof apiVariables>>;

/** @throws {EnvironmentError} which names the missing and malformed variables, and quotes no value */
export function readApiEnvironment(): ApiEnvironment {
  const environment = readEnvironment(apiVariables, process.env);
  if (environment.INFISICAL_ENVIRONMENT === "prod" && allowsLoopback(environment.OUTBOUND_ALLOW)) {
    throw new EnvironmentError(
      "OUTBOUND_ALLOW names an address of this machine, which INFISICAL_ENVIRONMENT=prod does not allow. See docs/outbound.md.",
    );
  }
  return environment;
}
