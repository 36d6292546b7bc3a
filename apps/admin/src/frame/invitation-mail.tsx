import { MailX } from "lucide-react";
import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { Badge } from "../ui/badge.tsx";
import { Time } from "../ui/time.tsx";

type Invitation = ApiAnswers["invitations"]["list"][number];

const failures: Readonly<Record<NonNullable<Invitation["mail"]["failure"]>, string>> = {
  "no-answer": "The mail server did not answer.",
  "no-connection": "The mail server could not be reached.",
  "no-address": "The mail server has no address.",
  "no-encryption": "The connection to the mail server could not be encrypted.",
  "no-smtp": "What should be a mail server is none.",
  "login-refused": "The mail server refused the login of this service.",
  "recipient-refused": "The mail server refused the sender or this address.",
  "mail-refused": "The mail server refused the mail.",
  unknown: "Why is not known.",
};

/** Until when the link of an invitation works, or why its mail did not leave. */
export function InvitationMail({
  invitation: { mail, expiresAt },
}: {
  readonly invitation: Invitation;
}): ReactNode {
  if (mail.state === "waiting") return <span className="text-muted">Mail is on its way</span>;
  if (mail.failure === undefined) {
    return (
      <span className="text-muted">
        Link ends <Time at={expiresAt} as="until" />
      </span>
    );
  }
  return (
    <span className="grid max-w-64 justify-items-start gap-0.5 py-1 max-tablet:ml-auto max-tablet:justify-items-end max-tablet:text-right">
      <Badge tone="danger" icon={MailX}>
        Mail not sent
      </Badge>
      <span className="text-small text-muted">
        {failures[mail.failure]}
        {mail.at !== undefined && (
          <>
            {" "}
            Last tried <Time at={mail.at} />; it is tried again.
          </>
        )}
      </span>
    </span>
  );
}
