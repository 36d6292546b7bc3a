import { z } from "zod";

/** A JSON text, and its signature by the deployment's signing key. `keys verify-receipt` takes both as a file. */
export const SignedReceipt = z.object({ receipt: z.string(), signature: z.string() });
