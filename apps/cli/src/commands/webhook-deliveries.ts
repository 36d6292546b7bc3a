import { type DeliveryDescription, webhookOperations } from "@repo/catalog";
import { timeOf, wholeNumber } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { IncompleteError, UsageError } from "../failure.ts";
import { minute, print, printJson, table } from "../output.ts";
import { company, whose, withEndpoints } from "./webhook-access.ts";

const endpointExample = "0198f2c4-0000-7000-8000-000000000001";
const deliveryExample = "0198f2c4-0000-7000-8000-000000000002";
const DeliveryState = webhookOperations.deliveries.input.shape.state.unwrap();

export const testCommand = defineCommand({
  positionals: ["endpoint"],
  options: { company },
  details: `Sends a test now, at most five a minute, and waits for its answer. A 2xx makes an endpoint active that has yet to answer.
Ends with exit code 1 for any other answer. ${whose}`,
  examples: [`webhooks test ${endpointExample}`],
  run: async ({ company: subdomain, endpoint, json }) => {
    const result = await withEndpoints(subdomain, (webhooks) =>
      webhooks.test.mutate({ company: subdomain, endpoint }),
    );
    const { delivered, statusClass, failure = "", milliseconds } = result;
    if (json) printJson(result);
    else if (delivered) print(`Delivered in ${milliseconds} ms.`);
    if (delivered) return;
    const answer = statusClass === undefined ? failure : `${failure}, a ${statusClass}xx`;
    throw new IncompleteError(`The test was not delivered: ${answer}, after ${milliseconds} ms.`);
  },
});

export const logCommand = defineCommand({
  positionals: [],
  optional: "endpoint",
  options: {
    company,
    state: { type: "string", value: "state", help: `Those in it: ${DeliveryState.options.join(", ")}` },
    limit: { type: "string", value: "number", help: "How many, 1 to 200; 50 unless given" },
    before: { type: "string", value: "id", help: "Those before this delivery" },
  },
  details: `Shows what was sent, in the last 30 days unless the deployment keeps it longer or shorter, or waits, the newest first: of one endpoint, or of all. With --json also the body
of each notification and all its attempts. ${whose}`,
  examples: [`webhooks log ${endpointExample} --state dead`, "webhooks log --limit 10 --json"],
  run: async ({ company: subdomain, endpoint, state: given, limit, before, json }) => {
    const state = given === undefined ? undefined : DeliveryState.safeParse(given).data;
    if (given !== undefined && state === undefined)
      throw new UsageError(`--state is one of ${DeliveryState.options.join(", ")}.`);
    const most = wholeNumber("limit", limit);
    const { deliveries } = await withEndpoints(subdomain, (webhooks) =>
      webhooks.deliveries.query({
        company: subdomain,
        endpoint,
        state,
        before,
        ...(most !== undefined && { limit: most }),
      }),
    );
    if (json) return printJson({ deliveries });
    if (deliveries.length === 0) return print("There are none.");
    print(
      table(
        ["DELIVERY", "TYPE", "STATE", "MADE", "ATTEMPTS", "LAST ANSWER", "NEXT"],
        deliveries.map((delivery) => [
          delivery.id,
          delivery.type,
          delivery.state,
          minute(delivery.createdAt),
          String(delivery.attempts.length),
          lastAnswer(delivery),
          delivery.nextAt === undefined ? "" : minute(delivery.nextAt),
        ]),
      ),
    );
  },
});

export const replayCommand = defineCommand({
  positionals: [],
  options: {
    company,
    delivery: { type: "string", value: "id", help: 'This one, as "webhooks log" shows it' },
    endpoint: { type: "string", value: "id", help: "Those of this endpoint, with --since" },
    since: {
      type: "string",
      value: "time",
      help: "Those made from then on: 2027-01-31, or 2027-01-31T12:00:00Z",
    },
    until: { type: "string", value: "time", help: "Those made until then" },
    delivered: { type: "boolean", help: "Those that were delivered too, not only those that were given up" },
  },
  details: `Sends again, with the same id and body: one delivery, or those of an endpoint that were given up, five a second and at
most 10,000. Receivers tell by the id what they have already. ${whose}`,
  examples: [
    `webhooks replay --delivery ${deliveryExample}`,
    `webhooks replay --endpoint ${endpointExample} --since 2027-01-31`,
  ],
  run: async ({ company: subdomain, delivery, endpoint, since, until, delivered, json }) => {
    const answer = await withEndpoints(subdomain, (webhooks) =>
      webhooks.replay.mutate({
        company: subdomain,
        delivery,
        endpoint,
        since: since === undefined ? undefined : timeOf("since", since),
        until: until === undefined ? undefined : timeOf("until", until),
        ...(delivered && { states: ["delivered", "dead"] }),
      }),
    );
    if (json) return printJson(answer);
    print(
      answer.deliveries === 1
        ? "1 delivery is sent again."
        : `${answer.deliveries} deliveries are sent again.`,
    );
  },
});

function lastAnswer({ attempts }: DeliveryDescription): string {
  const last = attempts.at(-1);
  if (last === undefined) return "";
  return last.status === undefined ? (last.failure ?? "") : String(last.status);
}
