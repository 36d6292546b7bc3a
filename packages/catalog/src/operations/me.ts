import { z } from "zod";
import { Role, verbs } from "../vocabulary/actor.ts";
import { operation, type InputOf, type OutputOf } from "./operation.ts";

// A person's own account. The verb is the least one, as the operations concern no secret: the service asks for a signed-in
// person, whatever their role.

const Factors = z.object({ totp: z.boolean(), passkeys: z.int(), backupCodesLeft: z.int() });

const Account = z.object({
  id: z.uuid(),
  email: z.string(),
  name: z.string(),
  companies: z
    .array(
      z.object({
        subdomain: z.string(),
        role: Role,
        verbs: z.array(z.enum(verbs)).readonly(),
        /** Whether its secrets are neither read nor written until an operator resumes it. */
        suspended: z.boolean(),
        /** When its keys were destroyed: none of its values can be decrypted any more. Left out where they are there. */
        shreddedAt: z.date().optional(),
        /** Whether the company asks a second factor of all its members. */
        secondFactorRequired: z.boolean(),
      }),
    )
    .readonly(),
  /** Of a person who may act as an operator, with the header `tenant-secrets-as: operator`. */
  operator: z.object({ id: z.uuid(), until: z.date() }).optional(),
  session: z.object({
    id: z.string(),
    createdAt: z.date().optional(),
    /** When it ends without activity. */
    idleEndsAt: z.date().optional(),
    endsAt: z.date().optional(),
    /** Until when operations that ask for a confirmation are allowed; left out where one is due. */
    confirmedUntil: z.date().optional(),
  }),
  factors: Factors.extend({
    /** Whether the person must add a second factor before anything else. */
    due: z.boolean(),
  }),
});

const none = { input: z.void(), output: z.null() };
const onAccount = { kind: "mutation", verb: "describe", stepUp: true, sensitive: true } as const;

export const meOperations = {
  /** Who has signed in, and what they may do. Each page begins with it. */
  get: operation({
    kind: "query",
    verb: "describe",
    beforeEnrolment: true,
    input: z.void(),
    output: Account,
  }),

  /** Puts off the end of the session without activity. To be sent after input of the person, at most once a minute. */
  active: operation({ kind: "mutation", verb: "describe", beforeEnrolment: true, ...none }),

  setName: operation({
    ...onAccount,
    input: z.strictObject({ name: z.string().max(1000) }),
    output: z.null(),
  }),

  /** Ends the person's other sessions. */
  setPassword: operation({
    ...onAccount,
    input: z.strictObject({ password: z.string().max(1000) }),
    output: z.null(),
  }),
};

export const mySessionOperations = {
  list: operation({
    kind: "query",
    verb: "describe",
    input: z.void(),
    output: z
      .array(
        z.object({
          id: z.string(),
          /** Whether it is the session that asks. */
          current: z.boolean(),
          address: z.string().optional(),
          device: z.string().optional(),
          createdAt: z.date(),
          lastSeenAt: z.date(),
        }),
      )
      .readonly(),
  }),

  /** Ends one of the person's own sessions. Idempotent. */
  end: operation({
    ...onAccount,
    input: z.strictObject({ sessionId: z.string().max(100) }),
    output: z.null(),
  }),

  endOthers: operation({ ...onAccount, input: z.void(), output: z.object({ ended: z.int() }) }),
};

/** Codes of an authenticator app (RFC 6238). */
export const myTotpOperations = {
  /** Answers with the secret, this once. It counts after `finish`. */
  begin: operation({
    ...onAccount,
    beforeEnrolment: true,
    input: z.void(),
    output: z.object({ uri: z.string(), secret: z.string() }),
  }),

  /** Ends the person's other sessions, and answers with backup codes, this once. */
  finish: operation({
    ...onAccount,
    beforeEnrolment: true,
    input: z.strictObject({ code: z.string().max(100) }),
    output: z.object({ backupCodes: z.array(z.string()).readonly() }),
  }),

  /**
   * Ends the person's other sessions, and the backup codes where no passkey is left. CONFLICT where it is the last second factor
   * of a person who has to have one.
   */
  remove: operation({ ...onAccount, ...none }),
};

const passkeyName = z.string().max(1000);
const passkeyId = z.string().max(100);
const Wish = z.enum(["discouraged", "preferred", "required"]).optional();

/** What `PublicKeyCredential.parseCreationOptionsFromJSON` takes (Web Authentication Level 3, section 5.1.9). */
const PasskeyOptions = z.object({
  rp: z.object({ id: z.string().optional(), name: z.string() }),
  user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
  challenge: z.string(),
  pubKeyCredParams: z.array(z.object({ type: z.literal("public-key"), alg: z.int() })).readonly(),
  /** Milliseconds. */
  timeout: z.number().optional(),
  excludeCredentials: z
    .array(z.object({ id: z.string(), type: z.string() }))
    .readonly()
    .optional(),
  authenticatorSelection: z
    .object({ requireResidentKey: z.boolean().optional(), residentKey: Wish, userVerification: Wish })
    .optional(),
  attestation: z.enum(["none", "direct", "enterprise", "indirect"]).optional(),
  extensions: z.object({ credProps: z.boolean().optional() }).optional(),
});

/** These fields of what the browser answered, by its `toJSON`. */
const PasskeyResponse = z.strictObject({
  id: z.string().max(8192),
  rawId: z.string().max(8192),
  type: z.literal("public-key"),
  response: z.strictObject({
    clientDataJSON: z.string().max(8192),
    attestationObject: z.string().max(8192),
  }),
});

/** Passkeys (WebAuthn). Each one is a second factor, and signs in without the password. */
export const myPasskeyOperations = {
  list: operation({
    kind: "query",
    verb: "describe",
    input: z.void(),
    output: z
      .array(
        z.object({
          id: z.string(),
          name: z.string(),
          createdAt: z.date(),
          lastUsedAt: z.date().optional(),
        }),
      )
      .readonly(),
  }),

  /** Answers with what the browser makes a passkey of. It counts after `finish`. */
  begin: operation({ ...onAccount, beforeEnrolment: true, input: z.void(), output: PasskeyOptions }),

  /** Ends the person's other sessions. */
  finish: operation({
    ...onAccount,
    beforeEnrolment: true,
    input: z.strictObject({ name: passkeyName, response: PasskeyResponse }),
    output: z.object({
      /** Where it is the person's first second factor, and this once. */
      backupCodes: z.array(z.string()).readonly().optional(),
    }),
  }),

  rename: operation({
    ...onAccount,
    input: z.strictObject({ id: passkeyId, name: passkeyName }),
    output: z.null(),
  }),

  /** As the removal of the authenticator app. */
  remove: operation({ ...onAccount, input: z.strictObject({ id: passkeyId }), output: z.null() }),
};

export const myBackupCodeOperations = {
  /** Answers with the new codes, this once. The old ones count no more. */
  renew: operation({
    ...onAccount,
    input: z.void(),
    output: z.object({ backupCodes: z.array(z.string()).readonly() }),
  }),
};

export type Account = Readonly<OutputOf<(typeof meOperations)["get"]>>;
export type OwnSessions = OutputOf<(typeof mySessionOperations)["list"]>;
export type TotpCode = InputOf<(typeof myTotpOperations)["finish"]>;
export type OwnPasskeys = OutputOf<(typeof myPasskeyOperations)["list"]>;
export type PasskeyOptions = Readonly<OutputOf<(typeof myPasskeyOperations)["begin"]>>;
export type NewPasskey = InputOf<(typeof myPasskeyOperations)["finish"]>;
export type RenamedPasskey = InputOf<(typeof myPasskeyOperations)["rename"]>;
