import {
  bigint,
  boolean,
  foreignKey,
  index,
  integer,
  pgSchema,
  primaryKey,
  text,
  unique,
  uuid,
  type AnyPgColumn,
} from "drizzle-orm/pg-core";
import { at, bytea } from "./columns.ts";
import { users } from "./callers.ts";

/**
 * The sign-in of people, for the role tenant_secrets_sign_in alone. The names and fields of the first four tables are those
 * that better-auth expects of its models.
 */
export const signInSchema = pgSchema("sign_in");

/** A signed-in browser. The token alone opens nothing: the cookie holds it with a MAC of the sign-in's secret. */
export const signInSessions = signInSchema.table(
  "sessions",
  {
    id: uuid("id").notNull().defaultRandom(),
    userId: uuid("user_id").notNull(),
    token: text("token").notNull(),
    ipAddress: text("ip_address"),
    userAgent: text("user_agent"),
    createdAt: at("created_at").notNull(),
    updatedAt: at("updated_at").notNull(),
    /** The latest end, which nothing extends. */
    expiresAt: at("expires_at").notNull(),
    /** The end without activity. */
    idleEndsAt: at("idle_ends_at").notNull(),
    /** When the person last proved who they are. */
    confirmedAt: at("confirmed_at").notNull(),
    /** When they last did so by a second factor. */
    secondFactorAt: at("second_factor_at"),
    /** Wrong passwords and codes that were given to confirm this session. */
    failedConfirmations: integer("failed_confirmations").notNull().default(0),
  },
  (t) => [
    primaryKey({ name: "sessions_pkey", columns: [t.id] }),
    unique("sessions_token_key").on(t.token),
    belongsTo("sessions_user_fkey", t.userId),
    index("sessions_user").on(t.userId),
    index("sessions_expires").on(t.expiresAt),
  ],
);

/** Passwords, as hashes. The other columns are of providers that are not used. */
export const signInAccounts = signInSchema.table(
  "accounts",
  {
    id: uuid("id").notNull().defaultRandom(),
    userId: uuid("user_id").notNull(),
    accountId: text("account_id").notNull(),
    providerId: text("provider_id").notNull(),
    password: text("password"),
    accessToken: text("access_token"),
    refreshToken: text("refresh_token"),
    idToken: text("id_token"),
    accessTokenExpiresAt: at("access_token_expires_at"),
    refreshTokenExpiresAt: at("refresh_token_expires_at"),
    scope: text("scope"),
    createdAt: at("created_at").notNull(),
    updatedAt: at("updated_at").notNull(),
    /** Of a sign-in that was completed, by whatever factors. Sessions are deleted, so they do not tell. */
    lastSignInAt: at("last_sign_in_at"),
  },
  (t) => [
    primaryKey({ name: "accounts_pkey", columns: [t.id] }),
    belongsTo("accounts_user_fkey", t.userId),
    unique("accounts_user_provider_key").on(t.userId, t.providerId),
  ],
);

/** Challenges of second factors and resets of passwords, by the hash of what was sent. */
export const signInVerifications = signInSchema.table(
  "verifications",
  {
    id: uuid("id").notNull().defaultRandom(),
    identifier: text("identifier").notNull(),
    value: text("value").notNull(),
    expiresAt: at("expires_at").notNull(),
    createdAt: at("created_at").notNull(),
    updatedAt: at("updated_at").notNull(),
  },
  (t) => [
    primaryKey({ name: "verifications_pkey", columns: [t.id] }),
    index("verifications_identifier").on(t.identifier),
    index("verifications_expires").on(t.expiresAt),
  ],
);

/** Authenticator apps and backup codes, encrypted with the sign-in's secret. */
export const signInTwoFactors = signInSchema.table(
  "two_factors",
  {
    id: uuid("id").notNull().defaultRandom(),
    userId: uuid("user_id").notNull(),
    secret: text("secret").notNull(),
    backupCodes: text("backup_codes").notNull(),
    verified: boolean("verified").notNull().default(false),
    failedVerificationCount: integer("failed_verification_count").notNull().default(0),
    lockedUntil: at("locked_until"),
  },
  (t) => [
    primaryKey({ name: "two_factors_pkey", columns: [t.id] }),
    unique("two_factors_user_key").on(t.userId),
    belongsTo("two_factors_user_fkey", t.userId),
  ],
);

/** Codes of authenticator apps that were tried: each is accepted once at most (RFC 6238, 5.2). */
export const signInUsedCodes = signInSchema.table(
  "used_codes",
  {
    userId: uuid("user_id").notNull(),
    codeHash: text("code_hash").notNull(),
    usedAt: at("used_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "used_codes_pkey", columns: [t.userId, t.codeHash] }),
    belongsTo("used_codes_user_fkey", t.userId),
    index("used_codes_used").on(t.usedAt),
  ],
);

/** Passkeys: public keys, whose private ones never leave the authenticators of people. */
export const signInPasskeys = signInSchema.table(
  "passkeys",
  {
    id: uuid("id").notNull().defaultRandom(),
    userId: uuid("user_id").notNull(),
    name: text("name").notNull(),
    credentialId: text("credential_id").notNull(),
    publicKey: bytea("public_key").notNull(),
    counter: bigint("counter", { mode: "number" }).notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    lastUsedAt: at("last_used_at"),
  },
  (t) => [
    primaryKey({ name: "passkeys_pkey", columns: [t.id] }),
    unique("passkeys_credential_key").on(t.credentialId),
    belongsTo("passkeys_user_fkey", t.userId),
    index("passkeys_user").on(t.userId),
  ],
);

function belongsTo(name: string, userId: AnyPgColumn) {
  return foreignKey({ name, columns: [userId], foreignColumns: [users.id] }).onDelete("restrict");
}
