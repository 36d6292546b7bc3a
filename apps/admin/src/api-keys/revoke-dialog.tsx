import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { useToast } from "../ui/toast.tsx";
import type { ApiKey } from "./words.ts";

export function RevokeDialog({
  apiKey,
  onClose,
}: {
  readonly apiKey: ApiKey;
  readonly onClose: () => void;
}): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const revoke = useConfirmedChange(
    () => client.companies.apiKeys.revoke.mutate({ company, id: apiKey.id }),
    {
      why: "Revoking an API key needs a recent sign-in.",
      onDone: async () => {
        await queryClient.invalidateQueries(trpc.companies.apiKeys.pathFilter());
        say(`${apiKey.name} was revoked`);
        onClose();
      },
    },
  );
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Revoke ${apiKey.name}?`}
      action="Revoke"
      onConfirm={() => revoke.run(undefined)}
      busy={revoke.isBusy}
    >
      <div className="grid gap-3">
        <p>
          Programs that use it stop working at once. It cannot be taken back.{" "}
          {apiKey.lastUsedAt === undefined ? (
            "It was never used."
          ) : (
            <>
              It was last used <Time at={apiKey.lastUsedAt} />.
            </>
          )}
        </p>
        {revoke.error !== null && <ErrorNotice error={revoke.error} />}
      </div>
    </ConfirmDialog>
  );
}
