import { withApi, type Api } from "../api.ts";
import { defineCommand } from "../command.ts";
import { minute, print, printJson, table } from "../output.ts";

type Approval = Awaited<ReturnType<Api["approvals"]["list"]["query"]>>[number];

export const listCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Shows what operators have asked each other to approve: the destruction of a master key, the shredding of a company, the
start of an emergency rotation. The newest 100. For operators.`,
  examples: ["approvals list"],
  run: async ({ json }) => {
    const list = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.approvals.list.query());
    if (json) return printJson(list);
    print(
      table(
        ["ID", "STATE", "ACTION", "EXACTLY", "BY", "UNTIL"],
        list.map((approval) => [
          approval.id,
          stateOf(approval),
          approval.action,
          parametersOf(approval),
          approval.requestedBy.name,
          minute(approval.expiresAt),
        ]),
      ),
    );
  },
});

export const giveCommand = defineCommand({
  positionals: ["approval"],
  options: {},
  details: `Approves a request of another operator, who then repeats the command. Compare what "approvals list" shows of it with
what they told you. For operators.`,
  examples: ["approvals give 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10"],
  run: ({ approval, json }) =>
    answer(json, "is approved, and can be done once", (api) => api.approvals.give.mutate({ approval })),
});

export const refuseCommand = defineCommand({
  positionals: ["approval"],
  options: {},
  details: `Refuses a request for good, takes an approval back that was not used yet, or withdraws a request of your own. For
operators.`,
  examples: ["approvals refuse 0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10"],
  run: ({ approval, json }) => answer(json, "is refused", (api) => api.approvals.refuse.mutate({ approval })),
});

async function answer(json: boolean, outcome: string, call: (api: Api) => Promise<Approval>): Promise<void> {
  const approval = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", call);
  if (json) printJson(approval);
  else print(`${approval.action} (${parametersOf(approval)}) of ${approval.requestedBy.name} ${outcome}.`);
}

function parametersOf({ parameters }: Approval): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
}

function stateOf({ state, givenBy, refusedBy }: Approval): string {
  const by = state === "given" || state === "used" ? givenBy : state === "refused" ? refusedBy : undefined;
  return by === undefined ? state : `${state} by ${by.name}`;
}
