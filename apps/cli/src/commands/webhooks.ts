import {
  type EndpointDescription,
  type NotificationType,
  notificationTypes,
  webhookOperations,
} from "@repo/catalog";
import { commaSeparated, confirm, secondsOf, wholeNumber } from "../arguments.ts";
import { defineCommand, fieldOption, type Option } from "../command.ts";
import { UsageError } from "../failure.ts";
import { minute, print, printJson, remark, table } from "../output.ts";
import { company, request, whose, withEndpoints } from "./webhook-access.ts";

const endpointExample = "0198f2c4-0000-7000-8000-000000000001";

const typesOption = {
  type: "string",
  value: "types",
  help: 'What it is notified of, with commas, as "webhooks types" lists them; without: everything',
} as const satisfies Option;

const endpointOptions = {
  types: typesOption,
  description: { type: "string", value: "text", help: "What it is for, at most 200 characters" },
  "per-second": fieldOption(webhookOperations.update.input.shape.perSecond.unwrap(), {
    type: "string",
    value: "number",
  }),
} as const satisfies Record<string, Option>;

export const listCommand = defineCommand({
  positionals: [],
  options: { company },
  details: `Shows each endpoint with its state, what waits for it, what was given up and is still in its log, and the public key of its
signatures. ${whose}`,
  examples: ["webhooks list", "webhooks list --json"],
  run: async ({ company: subdomain, json }) => {
    const list = await withEndpoints(subdomain, (webhooks) => webhooks.list.query({ company: subdomain }));
    if (json) return printJson(list);
    if (list.endpoints.length === 0) return print('There is none: "webhooks add" adds one.');
    print(
      table(
        ["ID", "URL", "STATE", "WAITING", "DEAD", "FAILING SINCE", "TYPES", "PUBLIC KEY"],
        list.endpoints.map((endpoint) => [
          endpoint.id,
          endpoint.url,
          stateText(endpoint),
          String(endpoint.waiting),
          String(endpoint.dead),
          endpoint.failingSince === undefined ? "" : minute(endpoint.failingSince),
          endpoint.types?.join(",") ?? "all",
          endpoint.publicKey,
        ]),
      ),
    );
  },
});

export const typesCommand = defineCommand({
  positionals: [],
  options: { company },
  details: `Lists the types of notifications, one a line. Endpoints of the platform get those of all companies as well. ${whose}`,
  examples: ["webhooks types"],
  run: async ({ company: subdomain, json }) => {
    const answer = await withEndpoints(subdomain, (webhooks) =>
      webhooks.eventTypes.query({ company: subdomain }),
    );
    if (json) return printJson(answer);
    print(answer.types.join("\n"));
  },
});

export const addCommand = defineCommand({
  positionals: ["url"],
  options: { company, ...endpointOptions, "request-id": request },
  details: `Prints the secret of the endpoint, whsec_…, and nothing else to standard output: with it the receiver verifies what comes
in. It is not shown by another command. The endpoint is sent a test, and nothing else until it has answered that with a 2xx. ${whose}`,
  examples: [
    "webhooks add https://hooks.example.com/secrets --types key.rotated,key.compromised > webhook.secret",
  ],
  run: async (values) => {
    const made = await withEndpoints(values.company, (webhooks) =>
      webhooks.create.mutate({
        company: values.company,
        url: urlOf("<url>", values.url),
        types: typesOf(values.types),
        description: values.description,
        perSecond: wholeNumber("per-second", values["per-second"]),
        requestId: values["request-id"],
      }),
    );
    if (values.json) return printJson(made);
    print(made.secret);
    remark(
      `This secret will not be shown again: keep it now. The endpoint is ${made.endpoint.id}, and its public key ${made.endpoint.publicKey}. ` +
        "It is sent a test, which it has to answer with a 2xx.",
    );
  },
});

export const updateCommand = defineCommand({
  positionals: ["endpoint"],
  options: {
    company,
    url: { type: "string", value: "url", help: "Where it is from now on; it has to answer a test again" },
    ...endpointOptions,
    types: { ...typesOption, help: 'As of "webhooks add"; "all" for everything' },
  },
  details: `Changes what is given, and leaves the rest. What waits for the endpoint is sent to the new address. ${whose}`,
  examples: [`webhooks update ${endpointExample} --types all`],
  run: async ({ company: subdomain, endpoint, url, types, description, json, ...values }) => {
    const changed = await withEndpoints(subdomain, (webhooks) =>
      webhooks.update.mutate({
        company: subdomain,
        endpoint,
        url: url === undefined ? undefined : urlOf("--url", url),
        types: types === "all" ? null : typesOf(types),
        description,
        perSecond: wholeNumber("per-second", values["per-second"]),
      }),
    );
    if (json) return printJson(changed);
    print(`Changed. The endpoint is ${stateText(changed)}.`);
  },
});

export const rollCommand = defineCommand({
  positionals: ["endpoint"],
  options: {
    company,
    overlap: fieldOption(webhookOperations.roll.input.shape.overlapSeconds, {
      type: "string",
      field: "overlapSeconds",
      value: "duration",
    }),
    force: { type: "boolean", help: "End the overlap of an earlier roll, whose secret may still be in use" },
    "request-id": request,
  },
  details: `Prints the next secret, and nothing else to standard output. Both secrets sign until the overlap ends, so that the receiver
can change to the new one without a gap. ${whose}`,
  examples: [`webhooks roll ${endpointExample} --overlap 7d > webhook.secret`],
  run: async ({ company: subdomain, endpoint, overlap, force, "request-id": requestId, json }) => {
    const rolled = await withEndpoints(subdomain, (webhooks) =>
      webhooks.roll.mutate({
        company: subdomain,
        endpoint,
        overlapSeconds: overlap === undefined ? undefined : secondsOf("overlap", overlap),
        force,
        requestId,
      }),
    );
    if (json) return printJson(rolled);
    print(rolled.secret);
    const { previousSecretUntil: until } = rolled.endpoint;
    remark(
      `This secret will not be shown again: keep it now. ${until === undefined ? "The one before it signs no more." : `The one before it signs as well until ${minute(until)}.`}`,
    );
  },
});

export const pauseCommand = defineCommand({
  positionals: ["endpoint"],
  options: { company },
  details: `Sends nothing to the endpoint until it is resumed. Its notifications wait. ${whose}`,
  examples: [`webhooks pause ${endpointExample}`],
  run: async ({ company: subdomain, endpoint, json }) => {
    const paused = await withEndpoints(subdomain, (webhooks) =>
      webhooks.pause.mutate({ company: subdomain, endpoint }),
    );
    if (json) return printJson(paused);
    print('Paused. "webhooks resume" sends what waits.');
  },
});

export const resumeCommand = defineCommand({
  positionals: ["endpoint"],
  options: { company },
  details: `Sends again to an endpoint that was paused or disabled. What waited for less than 72 hours is sent; what waited longer is
given up, and "webhooks replay" sends it. ${whose}`,
  examples: [`webhooks resume ${endpointExample}`],
  run: async ({ company: subdomain, endpoint, json }) => {
    const resumed = await withEndpoints(subdomain, (webhooks) =>
      webhooks.resume.mutate({ company: subdomain, endpoint }),
    );
    if (json) return printJson(resumed);
    print(`Resumed. The endpoint is ${stateText(resumed)}.`);
  },
});

export const removeCommand = defineCommand({
  positionals: ["endpoint"],
  options: { company, yes: { type: "boolean", help: "Do not ask" } },
  details: `Removes the endpoint with its secret, what waits for it and the log of its deliveries. ${whose}`,
  examples: [`webhooks remove ${endpointExample}`],
  run: async ({ company: subdomain, endpoint, yes, json }) => {
    await confirm(`Remove the endpoint ${endpoint}, with what waits for it?`, yes);
    await withEndpoints(subdomain, (webhooks) => webhooks.remove.mutate({ company: subdomain, endpoint }));
    if (json) printJson({ endpoint, removed: true });
    else print(`The endpoint ${endpoint} is removed.`);
  },
});

function stateText({ state, disabledReason }: EndpointDescription): string {
  return disabledReason === undefined ? state : `${state}: ${disabledReason}`;
}

/** @throws {UsageError} */
function urlOf(argument: string, text: string): string {
  if (!URL.canParse(text))
    throw new UsageError(`${argument} is an address: https://hooks.example.com/secrets.`);
  return text;
}

/** @throws {UsageError} */
function typesOf(text: string | undefined): NotificationType[] | undefined {
  if (text === undefined) return undefined;
  return commaSeparated(text).map((name) => {
    const known = notificationTypes.find((type) => type === name);
    if (known === undefined) throw new UsageError('--types is a list of what "webhooks types" lists.');
    return known;
  });
}
