import { withApi } from "../api.ts";
import { roleOf } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { minute, print, printJson, table } from "../output.ts";
import { company, requestId, role } from "./common-options.ts";

export const inviteCommand = defineCommand({
  positionals: ["email"],
  options: { company, role, "request-id": requestId },
  details: `Mails a link that works once within seven days. Inviting an address again sends another link, and the earlier one no longer
works. Needs an API that sends mail (SMTP_URL). For operators.`,
  examples: ["members invite ada@example.com --company acmecorp --role owner"],
  run: async ({ email, company: subdomain, json, ...values }) => {
    const given = await roleOf(values.role);
    const invitation = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.invitations.create.mutate({
        company: subdomain,
        email,
        role: given,
        requestId: values["request-id"],
      }),
    );
    if (json) return printJson(invitation);
    print(
      `${invitation.email} is invited to be ${invitation.role} of ${subdomain}, until ${minute(invitation.expiresAt)}.`,
    );
  },
});

export const listCommand = defineCommand({
  positionals: [],
  options: { company },
  details: "Shows the invitations of a company that were neither accepted nor revoked. For operators.",
  examples: ["invitations list --company acmecorp"],
  run: async ({ company: subdomain, json }) => {
    const list = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.invitations.list.query({ company: subdomain }),
    );
    if (json) return printJson(list);
    if (list.length === 0)
      return print(`${subdomain} has no open invitations; "members invite" invites a person.`);
    print(
      table(
        ["E-MAIL", "ROLE", "SINCE", "UNTIL", "ID"],
        list.map(({ id, email, role: invitedAs, createdAt, expiresAt }) => [
          email,
          invitedAs,
          minute(createdAt),
          minute(expiresAt),
          id,
        ]),
      ),
    );
  },
});

export const resendCommand = defineCommand({
  positionals: ["invitation"],
  options: { company },
  details: `Mails another link, for seven days from now; the earlier one no longer works. "invitations list" shows ids. For operators.`,
  examples: ["invitations resend 0198f2c4-0000-7000-8000-000000000001 --company acmecorp"],
  run: async ({ invitation, company: subdomain, json }) => {
    const sent = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.invitations.resend.mutate({ company: subdomain, invitation }),
    );
    if (json) printJson(sent);
    else print(`${sent.email} gets another link, until ${minute(sent.expiresAt)}.`);
  },
});

export const revokeCommand = defineCommand({
  positionals: ["invitation"],
  options: { company },
  details: `Ends an invitation: its link no longer works. "invitations list" shows ids. For operators.`,
  examples: ["invitations revoke 0198f2c4-0000-7000-8000-000000000001 --company acmecorp"],
  run: async ({ invitation, company: subdomain, json }) => {
    await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) =>
      api.invitations.revoke.mutate({ company: subdomain, invitation }),
    );
    if (json) printJson({ company: subdomain, invitation, revoked: true });
    else print(`The invitation ${invitation} is revoked.`);
  },
});
