import { z } from "zod";
import { operation, type OutputOf } from "./operation.ts";

/** Who runs the platform. Tokens are made and revoked on the command line alone, beside the database. */
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
          /** The beginning of the token, by which it is found. */
          prefix: z.string(),
          createdAt: z.date(),
          expiresAt: z.date(),
          revokedAt: z.date().optional(),
        }),
      )
      .readonly(),
  }),
};

export type OperatorDescription = Readonly<OutputOf<(typeof operatorOperations)["list"]>[number]>;
