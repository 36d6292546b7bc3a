import { setTimeout as sleep } from "node:timers/promises";
import type { RunDescription } from "@repo/tenant-secrets/operator";
import { type Api, withApi } from "../api.ts";
import { confirm } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { IncompleteError } from "../failure.ts";
import { minute, print, printJson, table } from "../output.ts";

const credential = "TENANT_SECRETS_OPERATOR_TOKEN";
const pollMs = 500;

export const moveCommand = defineCommand({
  positionals: ["company"],
  options: {
    to: { type: "string", required: true, value: "region", help: "A region that the company is copied to" },
    background: { type: "boolean", help: "Print the run, and do not wait for its end" },
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Moves a company that is at home here, with all versions and rotation policies of its secrets, and loses nothing. Its writes
are held for some seconds; reads go on. API keys, people, webhook endpoints and the audit log do not move. If the other
region does not take it over within a minute, nothing is changed. For operators.`,
  examples: ["companies move acmecorp --to us"],
  run: async ({ company, to, background, yes, json }) => {
    await confirm(`Move ${company} to ${to}? Its writes are held meanwhile.`, yes);
    const run = await withApi(credential, async (api) => {
      const { run: id } = await api.companies.move.mutate({ company, to });
      return background ? api.runs.get.query({ run: id }) : waitFor(api, id);
    });
    if (json) printJson(run);
    else if (run.finishedAt === undefined) print(`Started. "runs show ${run.id}" shows how far it is.`);
    else if (run.state === "done") print(`${company} is at home in ${to}. Its copies are read here.`);
    if (run.finishedAt !== undefined && run.state !== "done")
      throw new IncompleteError(run.error?.message ?? `The move of ${company} was ${run.state}.`);
  },
});

async function waitFor(api: Api, id: string): Promise<RunDescription> {
  for (;;) {
    const run = await api.runs.get.query({ run: id });
    if (run.finishedAt !== undefined || run.state === "failed" || run.state === "paused") return run;
    await sleep(pollMs);
  }
}

export const takeOverCommand = defineCommand({
  positionals: ["company"],
  options: {
    from: {
      type: "string",
      required: true,
      value: "region",
      help: "The home that is lost, or the region that a move goes to",
    },
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Run it in the region that is to become the home, when the home does not come back in time. It has the current values that
had arrived; earlier versions, pending ones and what had not arrived are at the lost home alone. That one takes no write of
the company from then on, and "companies leave" lists there what was lost. Run at the home while the company is being moved, it
ends the move to a region that is lost, and the writes go on here. For operators.`,
  examples: ["companies take-over acmecorp --from eu"],
  run: async ({ company, from, yes, json }) => {
    await confirm(`Take ${company} over? What has not arrived from ${from} is lost.`, yes);
    const taken = await withApi(credential, (api) => api.companies.takeOver.mutate({ company, from }));
    if (json) printJson(taken);
    else {
      const { secrets, unreadable, completeUntil } = taken;
      print(`${company} is at home here, with ${secrets} secrets.`);
      if (completeUntil !== undefined)
        print(`Everything had arrived that ${from} had changed until ${minute(completeUntil)}.`);
      if (unreadable.length > 0) print(`These do not open and are lost: ${unreadable.join(", ")}.`);
    }
    if (taken.unreadable.length > 0) throw new IncompleteError("Not all secrets were taken over.");
  },
});

export const leaveCommand = defineCommand({
  positionals: ["company"],
  options: {
    "accept-loss": { type: "boolean", help: "Delete although the new home has not got all changes" },
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Run it in a region that was a company's home, was lost and came back. It lists the changes that the new home has not got,
and deletes what only a home has, earlier versions as well. With changes that were lost it deletes nothing
without --accept-loss. For operators.`,
  examples: ["companies leave acmecorp", "companies leave acmecorp --accept-loss"],
  run: async ({ company, "accept-loss": acceptLoss, yes, json }) => {
    await confirm(`Delete what only the home of ${company} has? Its new home has the current values.`, yes);
    const { left, home, lost } = await withApi(credential, (api) =>
      api.companies.leave.mutate({ company, acceptLoss }),
    );
    if (json) printJson({ left, home, lost });
    else {
      if (lost.length > 0)
        print(
          table(
            ["SECRET", "CHANGE"],
            lost.map(({ secretKey, change }) => [secretKey, change]),
          ),
        );
      if (left) print(`Deleted. ${company} is at home in ${home}, and its copies are read here.`);
    }
    if (!left)
      throw new IncompleteError(
        `${home} has not got these changes. Write them there; then delete them here with --accept-loss.`,
      );
  },
});
