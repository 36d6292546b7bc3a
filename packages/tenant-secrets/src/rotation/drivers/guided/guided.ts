import type { CheckResult } from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import { z } from "zod";
import type { DriverCall, Guide, PersonDriver } from "../driver.ts";
import { DriverError } from "../driver-error.ts";
import { findJson, send } from "../requests.ts";
import { guides } from "./guides.ts";

const Settings = z.strictObject({
  /** Whose pages the steps are about. Default: any provider's. */
  provider: z.literal(["stripe", "google", "github", "any"]).default("any"),
});
type Settings = z.output<typeof Settings>;
type Call = DriverCall<Settings>;

const Account = z.object({ id: z.string().min(1) });

export interface GuidedOptions {
  /** Default: https://api.stripe.com */
  readonly stripe?: string | undefined;
}

/** For providers that have no API for their credentials: a person makes the new one, and ends the old one. */
export function createGuidedDriver({
  stripe = "https://api.stripe.com",
}: GuidedOptions = {}): PersonDriver<Settings> {
  /** @returns undefined where the key may not ask, or the answer does not say it */
  async function accountOf(call: Call, value: Plaintext): Promise<string | undefined> {
    const headers = { authorization: `Bearer ${value.reveal()}` };
    const answer = await send(call, `${stripe.replace(/\/+$/, "")}/v1/account`, { method: "GET", headers });
    return answer.status === 200 ? findJson(answer, Account)?.id : undefined;
  }

  return {
    name: "guided",
    creates: "person",
    settings: Settings,
    overlap: "both-valid",
    settleSeconds: 0,
    manager: "none",
    guide: ({ provider }): Guide => guides[provider],

    async test(call, value): Promise<CheckResult> {
      try {
        return await call.check(value);
      } catch {
        return "unknown";
      }
    },

    async sameAccount(call, one, other) {
      if (call.settings.provider !== "stripe") return "unknown";
      // An account has keys for tests and for real payments; neither takes the place of the other.
      if (stripeMode(one) !== stripeMode(other)) return false;
      try {
        const [first, second] = [await accountOf(call, one), await accountOf(call, other)];
        return first === undefined || second === undefined ? "unknown" : first === second;
      } catch (error) {
        if (error instanceof DriverError && error.code === "misconfigured") throw error;
        return "unknown";
      }
    },

    async confirm(call, { value }) {
      return value !== undefined && (await call.check(value)) === "rejected";
    },
  };
}

function stripeMode(key: Plaintext): string | undefined {
  return /^[a-z]+_(test|live)_/.exec(key.reveal())?.[1];
}
