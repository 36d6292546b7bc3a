import { randomBytes, randomInt } from "node:crypto";
import { Plaintext } from "@repo/envelope";
import { z } from "zod";
import type { MakingDriver } from "./driver.ts";

const randomLength = 32;
/** Bits that a value of an alphabet has at least. */
const leastBits = 128;

const Settings = z.union([
  z.strictObject({
    /** `whsec_` and 32 random bytes in base64; or 32 random bytes in base64url. */
    form: z.enum(["standard-webhooks", "random-token"]).default("standard-webhooks"),
  }),
  z
    .strictObject({
      length: z.int().min(16).max(512),
      /** Visible characters of ASCII, each once. */
      alphabet: z
        .string()
        .regex(/^[\x21-\x7e]{2,94}$/)
        .refine((text) => new Set(text).size === text.length),
    })
    .refine(({ length, alphabet }) => length * Math.log2(alphabet.length) >= leastBits),
]);
type Settings = z.infer<typeof Settings>;

/** Makes values that the product itself may choose, such as secrets that webhooks are signed with. No provider is asked. */
export const generated: MakingDriver<Settings> = {
  name: "generated",
  creates: "us",
  settings: Settings,
  overlap: "both-valid",
  settleSeconds: 0,
  manager: "none",
  paceMs: 0,
  leadSeconds: 86_400,
  make: (settings) => Plaintext.fromText(randomText(settings)),
  apply: async () => ({}),
  test: async () => "accepted",
  retire: async () => "gone",
  confirm: async () => true,
};

function randomText(settings: Settings): string {
  if ("alphabet" in settings) {
    const { length, alphabet } = settings;
    return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join("");
  }
  const bytes = randomBytes(randomLength);
  return settings.form === "random-token" ? bytes.toString("base64url") : `whsec_${bytes.toString("base64")}`;
}
