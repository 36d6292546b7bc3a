import { z } from "zod";
import { textSecret } from "./entry.ts";

export const sendgridApiKey = textSecret(
  z.string().regex(/^SG\.[A-Za-z0-9_-]{8,64}\.[A-Za-z0-9_-]{8,128}$/),
  {
    label: "SendGrid API key",
    rule: "is a SendGrid API key, SG.….…",
    check: "sendgrid",
  },
);
