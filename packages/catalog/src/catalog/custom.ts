import { z } from "zod";
import { textSecret } from "./entry.ts";

/** What stands behind every `CUSTOM_…` secret key: any text. */
export const customSecret = textSecret(z.string(), {
  label: "Custom integration key",
  rule: "is text",
});
