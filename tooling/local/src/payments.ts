import { printable } from "./api-log.ts";
import type { startLocalStripe } from "./stripe.ts";

type LocalStripe = Awaited<ReturnType<typeof startLocalStripe>>;
type StripeRequest = Pick<
  ReturnType<LocalStripe["requests"]>[number],
  "method" | "path" | "authorization" | "body"
>;

const lookEveryMs = 200;

/** Says one line for each payment that reaches the local Stripe. */
export function announcePayments(stripe: LocalStripe, say: (line: string) => void): void {
  let seen = 0;
  setInterval(() => {
    const requests = stripe.requests();
    const payments = requests.slice(seen).filter(({ method }) => method === "POST");
    for (const request of payments) say(describePayment(request));
    seen = requests.length;
  }, lookEveryMs).unref();
}

/** One line for people. A key is shown when it says itself that it is fake; of any other, the end. */
export function describePayment({ method, path, authorization, body }: StripeRequest): string {
  const key = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
  const shown = key === undefined ? "no key" : `key ${key.includes("fake") ? key : `…${key.slice(-4)}`}`;
  const form = new URLSearchParams(body);
  const money = [form.get("amount"), form.get("currency")].filter((field) => field !== null).join(" ");
  return printable(`Local Stripe: ${method} ${path}, ${money === "" ? "no amount" : money}, with ${shown}`);
}
