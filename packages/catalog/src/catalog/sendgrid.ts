import { z } from "zod";
import { textSecret } from "./entry.ts";

export const sendgridApiKey = textSecret(
  z.string().regex(/^SG\.[A-Za-z0-9_-]{8,64}\.[A-Za-z0-9_-]{8,128}$/),
  {
    label: "SendGrid API key",
    purpose: "Sends mail from the company's SendGrid account.",
    docsUrl: "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys",
    rule: "is a SendGrid API key, SG.….…",
    mistakes: [
      { pattern: /^SG\.[\w-]+$/, rule: "is a whole SendGrid API key, SG.….…; this one has only two parts" },
      { pattern: /^[\w-]{22}$/, rule: "is a SendGrid API key, SG.….…; this is the key's id" },
    ],
    check: "sendgrid",
  },
);
