import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { refreshAccount, useAccount } from "../frame/account.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog, Dialog } from "../ui/dialog.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { addingApp, AuthenticatorApp, type AppSecret } from "./authenticator-app.tsx";
import { BackupCodes } from "./backup-codes.tsx";
import { NewPasskey } from "./new-passkey.tsx";
import { PasskeyItem } from "./passkey-item.tsx";
import { usePrivateChange } from "./private-change.ts";
import { Row, rowsLook, Section } from "./section.tsx";
import { useSessionsChanged } from "./sessions-section.tsx";

type Open =
  | { readonly dialog: "app"; readonly secret: AppSecret }
  | { readonly dialog: "remove-app" | "passkey" | "renew" }
  | { readonly dialog: "codes"; readonly codes: readonly string[] };

export function SecondFactorSection(): ReactNode {
  const { factors } = useAccount();
  const { api } = useRouter().options.context;
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const sessionsChanged = useSessionsChanged();
  const [open, setOpen] = useState<Open>();
  const passkeys = useQuery(trpc.me.passkeys.list.queryOptions());
  const beginApp = usePrivateChange(addingApp);
  const renew = usePrivateChange("New backup codes need a recent sign-in.");

  const close = (): void => setOpen(undefined);
  const changed = async (codes?: readonly string[]): Promise<void> => {
    setOpen(codes === undefined ? undefined : { dialog: "codes", codes });
    await Promise.all([
      refreshAccount(api),
      queryClient.invalidateQueries(trpc.me.passkeys.pathFilter()),
      sessionsChanged(),
    ]);
  };
  const removeApp = useConfirmedChange(() => client.me.totp.remove.mutate(), {
    why: "Removing the authenticator app needs a recent sign-in.",
    onDone: () => changed(),
  });
  const hasAny = factors.totp || factors.passkeys > 0;
  const error = beginApp.error ?? renew.error;

  return (
    <Section
      title="Second factor"
      about="What you have beside the password. A change ends your other sessions."
    >
      {error !== undefined && <ErrorNotice error={error} />}
      <div className={rowsLook}>
        <Row
          actions={
            factors.totp ? (
              <Button onClick={() => setOpen({ dialog: "remove-app" })}>Remove</Button>
            ) : (
              <Button
                busy={beginApp.isBusy}
                onClick={() =>
                  void beginApp.run(
                    () => client.me.totp.begin.mutate(),
                    (secret) => setOpen({ dialog: "app", secret }),
                  )
                }
              >
                Add
              </Button>
            )
          }
        >
          <span className="font-medium">Authenticator app</span>
          <span className="text-small text-muted">
            {factors.totp ? "Asked for after the password" : "Six digits that change each 30 seconds"}
          </span>
        </Row>
        <Row actions={<Button onClick={() => setOpen({ dialog: "passkey" })}>Add a passkey</Button>}>
          <span className="font-medium">Passkeys</span>
          <span className="text-small text-muted">
            Sign in with a finger, a face or a PIN, without the password
          </span>
        </Row>
        <Loaded query={passkeys} skeleton={null}>
          {(list) =>
            list.map((passkey) => <PasskeyItem key={passkey.id} passkey={passkey} onChanged={changed} />)
          }
        </Loaded>
        {hasAny && (
          <Row
            actions={
              <Button busy={renew.isBusy} onClick={() => setOpen({ dialog: "renew" })}>
                Renew
              </Button>
            }
          >
            <span className="font-medium">Backup codes</span>
            <span className="text-small text-muted">{factors.backupCodesLeft} of 10 left</span>
          </Row>
        )}
      </div>

      <Dialog open={open?.dialog === "app"} onClose={close} title="Add an authenticator app">
        {open?.dialog === "app" && (
          <AuthenticatorApp secret={open.secret} onAdded={(codes) => void changed(codes)} />
        )}
      </Dialog>
      <Dialog open={open?.dialog === "passkey"} onClose={close} title="Add a passkey">
        <NewPasskey onAdded={(codes) => void changed(codes)} />
      </Dialog>
      <Dialog open={open?.dialog === "codes"} title="Backup codes">
        {open?.dialog === "codes" && <BackupCodes codes={open.codes} onKept={close} />}
      </Dialog>
      <ConfirmDialog
        open={open?.dialog === "remove-app"}
        onClose={close}
        title="Remove the authenticator app"
        action="Remove the app"
        busy={removeApp.isBusy}
        onConfirm={() => removeApp.run(undefined)}
      >
        Its codes count no more, and your other sessions end.
        {factors.passkeys === 0 && " The backup codes end with it."}
        {removeApp.error !== null && <ErrorNotice error={removeApp.error} />}
      </ConfirmDialog>
      <ConfirmDialog
        open={open?.dialog === "renew"}
        onClose={close}
        title="Renew the backup codes"
        action="Renew the codes"
        busy={renew.isBusy}
        onConfirm={() =>
          void renew.run(
            () => client.me.backupCodes.renew.mutate(),
            ({ backupCodes }) => changed(backupCodes),
          )
        }
      >
        The {factors.backupCodesLeft} codes that are left count no more.
      </ConfirmDialog>
    </Section>
  );
}
