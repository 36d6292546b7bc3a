import { z } from "zod";
import { textSecret } from "./entry.ts";

/** What Slack signs the requests to an app with: "Signing Secret" among the app's credentials. */
export const slackSigningSecret = textSecret(z.string().regex(/^[0-9a-f]{32}$/), {
  label: "Slack signing secret",
  purpose: "Proves that a request to the app comes from Slack.",
  docsUrl: "https://docs.slack.dev/authentication/verifying-requests-from-slack/",
  rule: "is the signing secret of a Slack app, 32 hexadecimal digits in lower case",
  mistakes: [
    { pattern: /^xox[a-z]-|^xapp-/, rule: "is the app's signing secret; this is a token, xox… or xapp-…" },
  ],
  signatures: "slack",
});
