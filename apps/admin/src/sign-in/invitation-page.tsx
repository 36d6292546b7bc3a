import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPCClient } from "../api.ts";
import { explain } from "../errors.ts";
import { forgetEverything } from "../frame/account.ts";
import { VisitorPage } from "../frame/visitor-page.tsx";
import { Button } from "../ui/button.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { NewPersonForm } from "./new-person-form.tsx";
import { takeStep } from "./requests.ts";
import { SignInForm } from "./sign-in-form.tsx";

type Invitation = ApiAnswers["invitations"]["look"];

/** What a mail's link leads to. Looking at it spends nothing: a mail's scanner may follow it. */
export function InvitationPage(): ReactNode {
  const { linkToken } = useRouter().options.context;
  return (
    <VisitorPage title="Invitation">
      {linkToken === undefined ? (
        <Notice kind="info" title="Open the link in the mail">
          This page needs the link of the invitation. It is read once, and kept nowhere.
        </Notice>
      ) : (
        <Looked token={linkToken} />
      )}
    </VisitorPage>
  );
}

function Looked({ token }: { readonly token: string }): ReactNode {
  const client = useTRPCClient();
  const query = useQuery({
    queryKey: ["invitation"],
    queryFn: () => client.invitations.look.mutate({ token }),
    gcTime: 0,
    retry: false,
  });
  const closed = closedBecause(query.error);
  if (closed !== undefined) {
    return (
      <Notice kind="warn" title="This invitation is closed">
        {closed}
      </Notice>
    );
  }
  return (
    <Loaded query={query}>
      {(invitation) => <Answer token={token} invitation={invitation} look={() => void query.refetch()} />}
    </Loaded>
  );
}

interface AnswerProps {
  readonly token: string;
  readonly invitation: Invitation;
  /** Looks at it again, as another person. */
  readonly look: () => void;
}

function Answer({ token, invitation, look }: AnswerProps): ReactNode {
  const { company, email, role, expiresAt, next } = invitation;
  const router = useRouter();
  const queryClient = useQueryClient();
  const goOn = (): void => {
    forgetEverything(queryClient);
    router.history.replace(`/c/${company}/secrets`);
  };
  const leave = async (): Promise<void> => {
    await takeStep("sign-out", {});
    look();
  };
  return (
    <>
      <p>
        <strong className="font-medium">{company}</strong> invites {email} as {role}. The invitation ends{" "}
        <Time at={expiresAt} as="until" />.
      </p>
      {next === "register" && (
        <NewPersonForm token={token} invitedEmail={email} onMember={goOn} onClosed={look} />
      )}
      {next === "sign-in" && (
        <>
          <p className="text-muted">This address has an account. Sign in to it to go on.</p>
          <SignInForm onDone={look} />
        </>
      )}
      {next === "accept" && <Join token={token} company={company} onMember={goOn} />}
      {next === "other-person" && (
        <Notice
          kind="warn"
          title={`This invitation is for ${email}`}
          action={<Button onClick={() => void leave()}>Sign out</Button>}
        >
          You are signed in as another person. Sign out to answer it.
        </Notice>
      )}
    </>
  );
}

function Join({
  token,
  company,
  onMember,
}: {
  readonly token: string;
  readonly company: string;
  readonly onMember: () => void;
}): ReactNode {
  const client = useTRPCClient();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const join = async (): Promise<void> => {
    setBusy(true);
    try {
      await client.invitations.accept.mutate({ token });
      onMember();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <>
      {error !== undefined && <ErrorNotice error={error} />}
      <Button kind="primary" busy={isBusy} onClick={() => void join()}>
        Join {company}
      </Button>
    </>
  );
}

/** @returns the server's sentence, where the link is unknown, was used, or has ended */
function closedBecause(error: unknown): string | undefined {
  if (error === null) return undefined;
  const { reason, detail } = explain(error);
  return reason === "CONFLICT" || reason === "NOT_FOUND" ? (detail ?? "") : undefined;
}
