import { printable } from "./api-log.ts";
import type { ProviderRequest } from "@repo/providers/stripe";

type StripeRequest = Pick<ProviderRequest, "method" | "path" | "authorization" | "body">;

/** Says one line for each payment that reaches the local Stripe. */
export function sayPayments(say: (line: string) => void): (request: StripeRequest) => void {
  return (request) => {
    if (request.method === "POST") say(describePayment(request));
  };
}

/** Says one line for each key that is made or deleted at the local SendGrid. */
export function sayKeys(
  say: (line: string) => void,
): (request: Pick<ProviderRequest, "method" | "path" | "body">) => void {
  return ({ method, path, body }) => {
    if (method === "GET" || !path.startsWith("/v3/api_keys")) return;
    const name = /"name":"([\w-]{1,100})"/.exec(body)?.[1];
    say(printable(`Local SendGrid: ${method} ${path}${name === undefined ? "" : `, ${name}`}`));
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
