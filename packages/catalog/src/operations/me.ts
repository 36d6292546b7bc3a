import { z } from "zod";
import { Role, verbs } from "../vocabulary/actor.ts";
import { operation, type InputOf, type OutputOf } from "./operation.ts";

// A person's own account. The verb is the least one, as the operations concern no secret: the service asks for a signed-in
// person, whatever their role.

const Factors = z.object({ totp: z.boolean(), backupCodesLeft: z.int() });

const Account = z.object({
  id: z.uuid(),
  email: z.string(),
  name: z.string(),
  companies: z
    .array(z.object({ subdomain: z.string(), role: Role, verbs: z.array(z.enum(verbs)).readonly() }))
    .readonly(),
  /** Of a person who may act as an operator, with the header `tenant-secrets-as: operator`. */
  operator: z.object({ until: z.date() }).optional(),
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

  /** Ends the person's other sessions. */
  remove: operation({ ...onAccount, ...none }),
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
