import { z } from "zod";
import { Role } from "../vocabulary/actor.ts";
import { ApiKeyDescription } from "./api-keys.ts";
import { company, request } from "./fields.ts";
import { operation, publicOperation, type InputOf, type OutputOf } from "./operation.ts";

/** Any text: what is wrong with one is for the companies' part to say. */
const userId = z.string().max(100);

const MemberDescription = z.object({
  userId: z.uuid(),
  email: z.string(),
  /** What this company calls the person. */
  name: z.string(),
  role: Role,
  /** Whether an operator has shut this person out, everywhere: operators alone are told. */
  disabled: z.boolean().optional(),
  since: z.date(),
  /**
   * The last sign-in, and whether the person has a second factor. A company is told once the person has signed in as its member:
   * what they did before is not its business. Left out in answers of changes, and where the product has a sign-in of its own.
   */
  lastSignInAt: z.date().optional(),
  secondFactor: z.boolean().optional(),
});
export type MemberDescription = Readonly<z.infer<typeof MemberDescription>>;

/** An API key that outlives the access of its maker. */
const MadeApiKey = ApiKeyDescription.pick({
  id: true,
  name: true,
  platform: true,
  companies: true,
  expiresAt: true,
});
export type MadeApiKey = Readonly<z.infer<typeof MadeApiKey>>;

/** The API keys of a person or an operator who has lost access: those that were neither revoked nor expired. */
const MadeKeys = z.object({
  /** The first 1,000, oldest first. */
  apiKeys: z.array(MadeApiKey).readonly(),
  /** Whether all of them were revoked. */
  revoked: z.boolean(),
});
export type MadeKeys = Readonly<z.infer<typeof MadeKeys>>;

/** A maker of API keys loses access. */
const makerLeaves = {
  /** Revokes the API keys that the person made as well. Left out, they are listed and go on. */
  revokeApiKeys: z.boolean().optional().describe("Revoke the API keys that the person made as well"),
};
export type MakerLeaves = Readonly<z.infer<z.ZodObject<typeof makerLeaves>>>;

/** The people of a company. */
export const memberOperations = {
  list: operation({
    kind: "query",
    verb: "members",
    input: z.strictObject({ company }),
    output: z.array(MemberDescription).readonly(),
  }),

  add: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({
      company,
      email: z.string().max(1000),
      /** For lists of this company alone: other companies that the person belongs to have names of their own. */
      name: z.string().max(1000),
      role: Role,
      ...request,
    }),
    output: MemberDescription,
  }),

  change: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ company, userId, role: Role }),
    output: MemberDescription,
  }),

  remove: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ company, userId, ...makerLeaves, ...request }),
    output: MadeKeys,
  }),

  /** Ends all sessions of a person who has signed in as a member: they are the person's in other companies, too. */
  endSessions: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ company, userId }),
    output: z.null(),
  }),
};

const email = z.string().max(1000).describe("The e-mail address");
const invitation = z.string().max(100);

/** Why the mail server did not accept a mail. What it said is not kept: servers quote what they were sent. */
const MailFailure = z.enum([
  "no-answer",
  "no-connection",
  "no-address",
  "no-encryption",
  "no-smtp",
  "login-refused",
  "recipient-refused",
  "mail-refused",
  "unknown",
]);

export const InvitationDescription = z.object({
  id: z.uuid(),
  email: z.string(),
  role: Role,
  createdAt: z.date(),
  /** The link works until then. */
  expiresAt: z.date(),
  /** What became of the last mail with its link. A server that accepted it can still fail to deliver it. */
  mail: z.object({
    state: z.enum(["waiting", "accepted", "failed"]),
    /** Of the last attempt, if there was one. A mail that failed is tried again. */
    at: z.date().optional(),
    failure: MailFailure.optional(),
  }),
});
export type InvitationDescription = Readonly<z.infer<typeof InvitationDescription>>;

/** Invitations by mail. */
export const invitationOperations = {
  list: operation({
    kind: "query",
    verb: "members",
    input: z.strictObject({ company }),
    output: z.array(InvitationDescription).readonly(),
  }),

  create: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ company, email, role: Role, ...request }),
    output: InvitationDescription,
  }),

  resend: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ company, invitation }),
    output: InvitationDescription,
  }),

  revoke: operation({
    kind: "mutation",
    verb: "members",
    input: z.strictObject({ company, invitation }),
    output: z.null(),
  }),
};

/** A longer text is no token. */
const token = z.string().max(100);

const InvitationView = z.object({
  company: z.string(),
  /** Masked, such as `p…@example.com`. */
  email: z.string(),
  role: Role,
  expiresAt: z.date(),
  /** What its holder does: sets a name and a password, signs in, accepts, or signs out because it is another person's. */
  next: z.enum(["register", "sign-in", "accept", "other-person"]),
});
export type InvitationView = Readonly<z.infer<typeof InvitationView>>;

const AcceptedInvitation = z.object({ company: z.string(), role: Role });
export type AcceptedInvitation = Readonly<z.infer<typeof AcceptedInvitation>>;

/** For the holder of an invitation's link, without a credential. The token is in the body of a POST: no log has bodies. */
export const invitationLinkOperations = {
  look: publicOperation({
    kind: "mutation",
    input: z.strictObject({ token }),
    output: InvitationView,
  }),

  accept: publicOperation({
    kind: "mutation",
    input: z.strictObject({
      token,
      /** What the company calls the person. */
      name: z.string().max(1000).optional(),
      /** Of a new person. */
      password: z.string().max(1000).optional(),
    }),
    output: AcceptedInvitation,
  }),
};

const UserDescription = z.object({
  id: z.uuid(),
  email: z.string(),
  /** How the person is called in the own account. Companies have names of their own for their members. */
  name: z.string(),
  status: z.enum(["active", "disabled"]),
  /** How many companies the person belongs to. */
  companies: z.int(),
  /** Left out for a person who never signed in, and where the product has a sign-in of its own. */
  lastSignInAt: z.date().optional(),
  /** Left out where the product has a sign-in of its own. */
  secondFactor: z.boolean().optional(),
});
type UserDescription = Readonly<z.infer<typeof UserDescription>>;

/** People, everywhere. For operators. */
export const userOperations = {
  /** In the order of their e-mail addresses. */
  list: operation({
    kind: "query",
    verb: "members",
    input: z.strictObject({
      /** `next` of the page before; left out for the first page. */
      after: z.uuid().optional(),
      limit: z.int().min(1).max(200).default(50),
    }),
    /** `next` is left out of the last page. */
    output: z.object({ users: z.array(UserDescription).readonly(), next: z.uuid().optional() }),
  }),

  disable: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ userId, ...makerLeaves }),
    output: MadeKeys,
  }),

  /** Ends all of the person's sessions. */
  endSessions: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ userId }),
    output: z.object({ ended: z.int() }),
  }),

  /** For a person who has lost every factor: they sign in with the password, and add another one. Ends their sessions. */
  resetSecondFactor: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ userId }),
    output: z.null(),
  }),

  enable: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ userId }),
    output: z.null(),
  }),
};

type Members = typeof memberOperations;
export type UserQuery = InputOf<(typeof userOperations)["list"]>;
export type UserPage = OutputOf<(typeof userOperations)["list"]>;
export type NewMember = Omit<InputOf<Members["add"]>, "company">;
export type NewInvitation = Omit<InputOf<(typeof invitationOperations)["create"]>, "company">;
export type InvitationAnswer = InputOf<(typeof invitationLinkOperations)["accept"]>;
export type NewRole = Omit<InputOf<Members["change"]>, "company">;
export type RemovedMember = Omit<InputOf<Members["remove"]>, "company">;
