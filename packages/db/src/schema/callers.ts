import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  foreignKey,
  index,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at, authenticated } from "./columns.ts";
import { companyForeignKey } from "./companies.ts";

/**
 * People or machines that run the platform. They read no value. Each row is one way in, with an expiry and an end of its own:
 * a token, which may name the person who holds it, or a link to a person who acts with their session.
 */
export const operators = pgTable(
  "operators",
  {
    id: uuid("id").notNull().defaultRandom(),
    name: text("name").notNull(),
    tokenPrefix: text("token_prefix"),
    tokenHash: text("token_hash"),
    userId: uuid("user_id"),
    createdAt: at("created_at").notNull().defaultNow(),
    expiresAt: at("expires_at").notNull(),
    revokedAt: at("revoked_at"),
    ...authenticated(),
  },
  (t) => [
    primaryKey({ name: "operators_pkey", columns: [t.id] }),
    unique("operators_token_prefix_key").on(t.tokenPrefix),
    foreignKey({
      name: "operators_user_fkey",
      columns: [t.userId],
      foreignColumns: [users.id],
    }).onDelete("restrict"),
    uniqueIndex("operators_linked")
      .on(t.userId)
      .where(sql`${t.revokedAt} is null and ${t.tokenHash} is null`),
    check(
      "operators_token_or_user_check",
      sql`(${t.tokenHash} is null) = (${t.tokenPrefix} is null) and (${t.tokenHash} is not null or ${t.userId} is not null)`,
    ),
  ],
);

/** People. Memberships link them to companies. Their sign-in credentials are stored elsewhere. */
export const users = pgTable(
  "users",
  {
    id: uuid("id").notNull().defaultRandom(),
    /** Lower case: the name by which a person is added to a company. */
    email: text("email").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    disabledAt: at("disabled_at"),
    /** How the person is called in the own account. Companies have names of their own for their members. */
    name: text("name").notNull().default(""),
    emailVerified: boolean("email_verified").notNull().default(false),
    /** Whether a sign-in with the password asks for a second factor. */
    twoFactorEnabled: boolean("two_factor_enabled").notNull().default(false),
    image: text("image"),
    updatedAt: at("updated_at").notNull().defaultNow(),
    ...authenticated(),
  },
  (t) => [
    primaryKey({ name: "users_pkey", columns: [t.id] }),
    unique("users_email_key").on(t.email),
    check(
      "users_email_check",
      sql`${t.email} = lower(${t.email}) and length(${t.email}) between 3 and 254 and ${t.email} ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'`,
    ),
  ],
);

/** What a person is in a company, and is called there. */
export const memberships = pgTable(
  "memberships",
  {
    companyId: uuid("company_id").notNull(),
    userId: uuid("user_id").notNull(),
    role: text("role", { enum: ["owner", "admin", "member", "auditor"] }).notNull(),
    name: text("name").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
    ...authenticated(),
  },
  (t) => [
    primaryKey({ name: "memberships_pkey", columns: [t.companyId, t.userId] }),
    companyForeignKey("memberships_company_fkey", t.companyId),
    foreignKey({
      name: "memberships_user_fkey",
      columns: [t.userId],
      foreignColumns: [users.id],
    }).onDelete("restrict"),
    index("memberships_user").on(t.userId),
    check("memberships_name_check", sql`length(${t.name}) between 1 and 100`),
    check("memberships_role_check", sql`${t.role} in ('owner', 'admin', 'member', 'auditor')`),
  ],
);

const mailFailures = [
  "no-answer",
  "no-connection",
  "no-address",
  "no-encryption",
  "no-smtp",
  "login-refused",
  "recipient-refused",
  "mail-refused",
  "unknown",
] as const;

/** Invitations to belong to a company. The holder of its token has read the mail to its address. */
export const invitations = pgTable(
  "invitations",
  {
    id: uuid("id").notNull().defaultRandom(),
    companyId: uuid("company_id").notNull(),
    email: text("email").notNull(),
    role: text("role", { enum: ["owner", "admin", "member", "auditor"] }).notNull(),
    /** SHA-256 of the token, which is in the mail alone. */
    tokenHash: text("token_hash").notNull(),
    invitedByKind: text("invited_by_kind").notNull(),
    invitedById: text("invited_by_id").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    expiresAt: at("expires_at").notNull(),
    acceptedAt: at("accepted_at"),
    revokedAt: at("revoked_at"),
    /** The last mail with a link of it. What becomes of an earlier one is not noted. */
    mailId: uuid("mail_id").notNull(),
    /** When the mail server accepted or refused that mail; null while it waits. */
    mailedAt: at("mailed_at"),
    /** Why the mail server did not accept it; null if it did. */
    mailFailure: text("mail_failure", { enum: mailFailures }),
    ...authenticated(),
  },
  (t) => [
    primaryKey({ name: "invitations_pkey", columns: [t.id] }),
    unique("invitations_token_hash_key").on(t.tokenHash),
    companyForeignKey("invitations_company_fkey", t.companyId),
    index("invitations_mail").on(t.mailId),
    uniqueIndex("invitations_open")
      .on(t.companyId, t.email)
      .where(sql`${t.acceptedAt} is null and ${t.revokedAt} is null`),
    check("invitations_mail_check", sql`${t.mailedAt} is not null or ${t.mailFailure} is null`),
    check("invitations_role_check", sql`${t.role} in ('owner', 'admin', 'member', 'auditor')`),
  ],
);

/** What a person is called in a company, or was when they left it: a trigger copies it from the membership. */
export const memberNames = pgTable(
  "member_names",
  {
    companyId: uuid("company_id").notNull(),
    userId: uuid("user_id").notNull(),
    name: text("name").notNull(),
  },
  (t) => [
    primaryKey({ name: "member_names_pkey", columns: [t.companyId, t.userId] }),
    companyForeignKey("member_names_company_fkey", t.companyId),
  ],
);

/** Credentials of services. `company_id` null is a platform key, whose companies are in `api_key_companies`. */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: uuid("id").notNull().defaultRandom(),
    companyId: uuid("company_id"),
    name: text("name").notNull(),
    prefix: text("prefix").notNull(),
    hash: text("hash").notNull(),
    verbs: text("verbs").array().notNull(),
    keyPatterns: text("key_patterns").array().notNull(),
    addresses: text("addresses").array(),
    createdByKind: text("created_by_kind").notNull(),
    createdById: text("created_by_id").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    expiresAt: at("expires_at").notNull(),
    lastUsedAt: at("last_used_at"),
    revokedAt: at("revoked_at"),
    ...authenticated(),
  },
  (t) => [
    primaryKey({ name: "api_keys_pkey", columns: [t.id] }),
    unique("api_keys_prefix_key").on(t.prefix),
    companyForeignKey("api_keys_company_fkey", t.companyId),
    index("api_keys_company").on(t.companyId),
    check(
      "api_keys_verbs_check",
      sql`cardinality(${t.verbs}) > 0 and ${t.verbs} <@ '{describe,use,write,delete,export}'`,
    ),
    check("api_keys_key_patterns_check", sql`cardinality(${t.keyPatterns}) > 0`),
  ],
);

/** The companies that a platform key may act for. They are part of what the key's own MAC is over. */
export const apiKeyCompanies = pgTable(
  "api_key_companies",
  {
    companyId: uuid("company_id").notNull(),
    apiKeyId: uuid("api_key_id").notNull(),
  },
  (t) => [
    primaryKey({ name: "api_key_companies_pkey", columns: [t.companyId, t.apiKeyId] }),
    companyForeignKey("api_key_companies_company_fkey", t.companyId),
    foreignKey({
      name: "api_key_companies_api_key_fkey",
      columns: [t.apiKeyId],
      foreignColumns: [apiKeys.id],
    }).onDelete("restrict"),
    index("api_key_companies_api_key").on(t.apiKeyId),
  ],
);
