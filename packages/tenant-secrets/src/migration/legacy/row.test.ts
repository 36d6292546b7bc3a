import { expect, test } from "vitest";
import { deliveryChatCatalog as catalog } from "@repo/delivery-chat";
import { secretKeyOf } from "./row.ts";

test.each([
  ["STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY"],
  ["stripe_secret_key", "STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY"],
  ["Sendgrid_Api_Key", "SENDGRID_API_KEY", "SENDGRID_API_KEY"],
  ["custom_crm", "CUSTOM_CRM", "CUSTOM_CRM"],
  ["CUSTOM_Crm", "CUSTOM_Crm", "CUSTOM_Crm"],
  ["twilio_token", undefined, "CUSTOM_TWILIO_TOKEN"],
  ["constructor", undefined, "CUSTOM_CONSTRUCTOR"],
  ["twilio-token", undefined, undefined],
  ["", undefined, undefined],
  ["_private", undefined, undefined],
  ["../STRIPE_SECRET_KEY", undefined, undefined],
  ["STRIPE_SECRET_KEY ", undefined, undefined],
  // Its upper-case form is an ASCII S.
  ["ſtripe_secret_key", undefined, undefined],
  // With the prefix CUSTOM_ it exceeds the maximum length of a secret key.
  [`t${"x".repeat(99)}`, undefined, undefined],
])("the secret key of %j is %j, or where unknown ones are taken, %j", (name, strict, custom) => {
  expect(secretKeyOf(catalog, name, false)).toBe(strict);
  expect(secretKeyOf(catalog, name, true)).toBe(custom);
});
