import { z } from "zod";
import { textSecret } from "./entry.ts";

/** The names of secrets that need no entry. */
export const customKey = /^CUSTOM_[A-Za-z0-9_]{1,93}$/;
/** {@link customKey} as a sentence's end, after "The secret key …". */
export const customKeyRule = "is CUSTOM_ and 1 to 93 letters, digits or underscores";

/** What stands behind every `CUSTOM_…` secret key: any text. */
export const customSecret = textSecret(z.string(), {
  label: "Custom integration key",
  purpose: "A credential that this product knows nothing more of than its name.",
  rule: "is text",
  multiline: true,
});
