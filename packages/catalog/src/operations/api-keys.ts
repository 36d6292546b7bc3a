import { z } from "zod";
import { ApiKeyVerb } from "../vocabulary/actor.ts";
import { company, maxGraceSeconds, moment, request, wholeNumber } from "./fields.ts";
import { operation, type InputOf, type OutputOf } from "./operation.ts";

export const ApiKeyDescription = z.object({
  id: z.uuid(),
  name: z.string(),
  /** Left out of a platform key, except for operators. */
  prefix: z.string().optional(),
  platform: z.boolean(),
  /** The subdomains of the companies that it may enter; deleted ones are left out. */
  companies: z.array(z.string()).readonly(),
  verbs: z.array(z.string()).readonly(),
  secretKeys: z.array(z.string()).readonly(),
  addresses: z.array(z.string()).readonly().optional(),
  /** Who made it: a person by the name in this company, an operator's name for operators alone. */
  createdBy: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
  createdAt: z.date(),
  expiresAt: z.date(),
  lastUsedAt: z.date().optional(),
  revokedAt: z.date().optional(),
});
export type ApiKeyDescription = Readonly<z.infer<typeof ApiKeyDescription>>;

export const apiKeyOperations = {
  list: operation({
    kind: "query",
    verb: "members",
    input: z.strictObject({ company }),
    output: z.array(ApiKeyDescription).readonly(),
  }),

  /** Answers with the key itself, this once. */
  create: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({
      name: z.string().max(1000),
      /** One subdomain with `platform` false: a company's own key. Otherwise the companies that a platform key may enter. */
      companies: z.array(company).max(1000).readonly(),
      platform: z.boolean(),
      verbs: z.array(ApiKeyVerb).max(10).readonly(),
      /** Secret keys, or beginnings of them: `STRIPE_SECRET_KEY`, `STRIPE_*`, `*`. */
      secretKeys: z.array(z.string().max(1000)).max(100).readonly(),
      /** The addresses and networks that it may be used from, such as `192.0.2.0/24`; left out: from anywhere. */
      addresses: z.array(z.string().max(100)).max(100).readonly().optional(),
      expiresAt: moment,
      ...request,
    }),
    output: z.object({ apiKey: z.string(), description: ApiKeyDescription }),
  }),

  /** Makes the next key with the same scopes, and answers with it, this once; the old one ends with the window. */
  rotate: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({
      company,
      id: z.string().max(100),
      /** For how long the old key still works, in seconds, at most 30 days. */
      graceSeconds: wholeNumber(0, maxGraceSeconds).describe(
        "For how long the old key still works: 24h, at most 30d",
      ),
      ...request,
    }),
    output: z.object({
      apiKey: z.string(),
      description: ApiKeyDescription,
      /** When the old key ends. */
      oldEndsAt: z.date(),
    }),
  }),

  revoke: operation({
    kind: "mutation",
    verb: "members",
    input: z.strictObject({ company, id: z.string().max(100) }),
    output: z.null(),
  }),
};

/**
 * A retry of a request with an id makes another key, because the first one is not stored, and revokes the first one in the same
 * transaction. The time at which it expires may be another one; the rest is the same.
 */
export type NewApiKey = InputOf<(typeof apiKeyOperations)["create"]>;
export type CreatedApiKey = Readonly<OutputOf<(typeof apiKeyOperations)["create"]>>;

/** A retry of a request with an id makes another key, as a retry of `create` does, and the old one ends when it did before. */
export type ApiKeyRotation = Omit<InputOf<(typeof apiKeyOperations)["rotate"]>, "company">;
export type RotatedApiKey = Readonly<OutputOf<(typeof apiKeyOperations)["rotate"]>>;
