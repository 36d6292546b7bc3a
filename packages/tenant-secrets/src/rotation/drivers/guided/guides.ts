import type { Guide } from "../driver.ts";

/** What an admin does on each provider's pages, as a sentence for each step. */
export const guides = {
  stripe: {
    provider: "Stripe",
    link: "https://dashboard.stripe.com/apikeys",
    create: [
      "Open the API keys of your Stripe account, in the same mode as the current key: live or test.",
      "Choose Rotate key in the menu of the key that is in use, and let the old one expire a day or more from now.",
      "Copy the new key, and enter it here. Stripe shows it once.",
    ],
    retire: [
      "Open the API keys of your Stripe account.",
      "Choose Expire now for the old key, or wait for the time that you chose when you rotated it.",
    ],
  },
  google: {
    provider: "Google",
    link: "https://console.cloud.google.com/auth/clients",
    create: [
      "Open the OAuth client in the Google Cloud console.",
      "Choose Add secret. The old secret stays enabled.",
      "Copy the new secret, and enter it here with the same client ID. Google shows it once.",
    ],
    retire: ["Open the OAuth client in the Google Cloud console.", "Disable the old secret, and delete it."],
  },
  github: {
    provider: "GitHub",
    link: "https://github.com/settings/developers",
    create: [
      "Open the OAuth app in the developer settings of the account or organization that owns it.",
      "Choose Generate a new client secret. The old one stays valid.",
      "Copy the new secret, and enter it here with the same client ID. GitHub shows it once.",
    ],
    retire: ["Open the OAuth app in the developer settings.", "Delete the old client secret."],
  },
  any: {
    provider: "the provider",
    create: [
      "Make a new credential at the provider, with the same rights as the current one.",
      "Leave the current credential as it is.",
      "Enter the new credential here.",
    ],
    retire: ["Revoke the old credential at the provider."],
  },
} as const satisfies Readonly<Record<string, Guide>>;
