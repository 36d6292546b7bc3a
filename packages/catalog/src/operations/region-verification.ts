import { z } from "zod";
import { rule } from "../vocabulary/malformed-input.ts";
import { operation } from "./operation.ts";

const nameRule = rule("is a subdomain or an id, at most 63 characters");
const company = z
  .string({ error: nameRule })
  .max(63, { error: nameRule })
  .regex(/^[a-z0-9-]+$/, { error: nameRule })
  .describe("The company, by its subdomain or its id");

export const regionVerificationOperations = {
  /**
   * Checks what this region has of companies that are in several regions, of one of them or of all. Answers with a report as a
   * JSON text, and the signature of this region.
   */
  verify: operation({
    kind: "query",
    verb: "operators",
    // It decrypts every copy that it checks.
    sensitive: true,
    input: z.strictObject({ company: company.optional() }),
    output: z.object({ report: z.string(), signature: z.string() }),
  }),
};
