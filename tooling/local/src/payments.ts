import { printable } from "./api-log.ts";
import type { ProviderRequest } from "@repo/providers/stripe";

type StripeRequest = Pick<ProviderRequest, "method" | "path" | "authorization" | "body">;

/** Says one line for each payment that reaches the local Stripe. */
export function sayPayments(say: (line: string) => void): (request: StripeRequest) => void {
  return (request) => {
    if (request.method === "POST") say(describePayment(request));
  };
}

/** One line for people. A key is shown when it says itself that it is fake; of any other, the end. */
export function describePayment({ method, path, authorization, body }: StripeRequest): string {
  const key = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
  const shown = key === undefined ? "no key" : `key ${key.includes("fake") ? key : `…${key.slice(-4)}`}`;
  const form = new URLSearchParams(body);
  const money = [form.get("amount"), form.get("currency")].filter((field) => field !== null).join(" ");
  return printable(`Local Stripe: ${method} ${path}, ${money === "" ? "no amount" : money}, with ${shown}`);
}
