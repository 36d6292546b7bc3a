import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import type { PersonActKind, User } from "./person-menu.tsx";

export interface PersonAct {
  readonly kind: PersonActKind;
  readonly user: User;
}

interface Words {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly done: string;
}

const words: Readonly<Record<PersonActKind, Words>> = {
  reset: {
    title: "Reset the second factor",
    text: "Removes the authenticator app, passkeys and backup codes, and ends all sessions. The password stays: at the next sign-in a new factor is added. Make sure first that it is this person who asks.",
    action: "Reset the second factor",
    done: "The second factor was reset",
  },
  "end-sessions": {
    title: "End all sessions",
    text: "Every browser of this person asks for a sign-in at its next call. Drafts there stay.",
    action: "End all sessions",
    done: "All sessions were ended",
  },
  disable: {
    title: "Disable the account",
    text: "The person is shut out of every company at once. Nothing is deleted, and API keys that they made go on.",
    action: "Disable",
    done: "The account was disabled",
  },
  enable: {
    title: "Enable the account",
    text: "The person can sign in again, with the roles that they had.",
    action: "Enable",
    done: "The account was enabled",
  },
};

/** Before something is done to the account of a person. */
export function PersonDialog({
  act: { kind, user },
  onClose,
}: {
  readonly act: PersonAct;
  readonly onClose: () => void;
}): ReactNode {
  const { users } = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  const input = { userId: user.id };
  const calls: Readonly<Record<PersonActKind, () => Promise<unknown>>> = {
    reset: () => users.resetSecondFactor.mutate(input),
    "end-sessions": () => users.endSessions.mutate(input),
    disable: () => users.disable.mutate(input),
    enable: () => users.enable.mutate(input),
  };
  const { title, text, action, done } = words[kind];
  const change = useConfirmedChange(calls[kind], {
    why: "Changing an account needs a recent sign-in.",
    onDone: async () => {
      await queryClient.invalidateQueries(trpc.users.list.pathFilter());
      say(`${done}: ${user.email}`);
      onClose();
    },
  });
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={title}
      action={action}
      onConfirm={() => change.run(undefined)}
      busy={change.isBusy}
    >
      <p className="font-medium break-all text-ink">{user.email}</p>
      <p>{text}</p>
      {change.error !== null && <ErrorNotice error={change.error} />}
    </ConfirmDialog>
  );
}
