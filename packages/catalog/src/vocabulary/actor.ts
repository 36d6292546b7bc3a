import { z } from "zod";
import type { CompanyId } from "./names.ts";

/**
 * What can be asked for. The first eleven concern one company, the last two the platform. `use` is for programs, and for what
 * the product does in a person's name; a person who wants to see a value has to `reveal` it.
 */
export const verbs = [
  "describe",
  "use",
  "reveal",
  "export",
  "write",
  "rotate",
  "delete",
  "audit",
  "search",
  "members",
  "webhooks",
  "companies",
  "operators",
] as const;
export type Verb = (typeof verbs)[number];

/** The verbs that an API key can be given. */
export const ApiKeyVerb = z.enum(["describe", "use", "write", "delete", "export"]);
export type ApiKeyVerb = z.infer<typeof ApiKeyVerb>;

/** What a person is in a company. */
export const Role = z.enum(["owner", "admin", "member", "auditor"]);
export type Role = z.infer<typeof Role>;

/** Why a person looks at a value: a closed list, because whatever is typed freely ends up in a record for ever. */
export const RevealPurpose = z.enum(["set-up", "debugging", "incident", "hand-over"]);
export type RevealPurpose = z.infer<typeof RevealPurpose>;

/** Verbs, on the secret keys that the patterns cover. */
export interface Grant {
  readonly verbs: readonly Verb[];
  readonly secretKeys: readonly string[];
}

/** A person who belongs to companies. */
export interface UserActor {
  readonly kind: "user";
  readonly id: string;
  readonly roles: ReadonlyMap<CompanyId, Role>;
}

/** An API key: a company's own, or the platform's with a list of companies. */
export interface ServiceActor {
  readonly kind: "service";
  readonly id: string;
  readonly companyIds: readonly CompanyId[];
  readonly grant: Grant;
}

/** Who runs the platform: companies, keys, migrations. Reads no value. */
export interface OperatorActor {
  readonly kind: "operator";
  readonly id: string;
}

/** Code of the product itself, named, with a grant of its own. Enters every company. */
export interface JobActor {
  readonly kind: "job";
  readonly id: string;
  readonly grant: Grant;
}

export type Actor = UserActor | ServiceActor | OperatorActor | JobActor;

/** A person's sign-in, as the sign-in of the product knows it. */
export interface Session {
  readonly id: string;
  /** When the person last proved who they are; undefined if they have not since this session began. */
  readonly confirmedAt: Date | undefined;
  /** When they last did so by a second factor. Left out: not in this session, and then they act as no operator. */
  readonly secondFactorAt?: Date | undefined;
  /** Whether the person has a second factor. */
  readonly enrolled: boolean;
  readonly createdAt?: Date | undefined;
  /** When it ends without activity. */
  readonly idleEndsAt?: Date | undefined;
  readonly endsAt?: Date | undefined;
}

/** The operator that a signed-in person may act as. */
export interface OperatorLink {
  readonly operatorId: string;
  readonly person: UserActor;
  /** Until when it is valid. */
  readonly until: Date;
}

/** Who asks, and for the audit log from where. */
export interface Caller {
  readonly actor: Actor;
  /** Of people, and of operators who act with the session of a person. Other operators and programs have none. A person without one signed in to the product by its own sign-in, which then asks for confirmations itself. */
  readonly session?: Session | undefined;
  /** Of a person who may act as an operator, and of the operator while they do. */
  readonly link?: OperatorLink | undefined;
  /** Whether a company that the person belongs to asks a second factor of all its members. */
  readonly secondFactorRequired?: boolean | undefined;
  /** Set by the router on a call that the session is not confirmed for: the operation refuses it after the permission. */
  readonly confirmationDue?: boolean | undefined;
  readonly requestId?: string | undefined;
  readonly address?: string | undefined;
}

/** The person who asks, also where they act as an operator. Undefined for tokens of operators and for programs. */
export function personOf({ actor, link }: Caller): UserActor | undefined {
  if (actor.kind === "user") return actor;
  return actor.kind === "operator" ? link?.person : undefined;
}

/**
 * @param name what the audit log shows, such as "payments"
 * @param grant the verbs and secret-key patterns that this code needs, and no more
 */
export function systemCaller(name: string, grant: Grant): Caller {
  return { actor: { kind: "job", id: name, grant } };
}
