import { z } from "zod";
import { operation, type OutputOf } from "./operation.ts";

/** Who runs the platform. Tokens and links are made and revoked on the command line alone, beside the database. */
export const operatorOperations = {
  list: operation({
    kind: "query",
    verb: "operators",
    input: z.void(),
    output: z
      .array(
        z.object({
          id: z.uuid(),
          name: z.string(),
          /** The beginning of the token, by which it is found. Left out for a person who acts with their session. */
          prefix: z.string().optional(),
          /** The person who acts with their session, or who holds the token. Left out for a token that names no person. */
          user: z.object({ id: z.uuid(), name: z.string(), email: z.string() }).optional(),
          createdAt: z.date(),
          expiresAt: z.date(),
          revokedAt: z.date().optional(),
        }),
      )
      .readonly(),
  }),
};

export type OperatorDescription = Readonly<OutputOf<(typeof operatorOperations)["list"]>[number]>;
