import { Outlet, useRouter } from "@tanstack/react-router";
import { useQueryClient } from "@tanstack/react-query";
import { useSyncExternalStore, type ComponentType, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { ToastProvider } from "../ui/toast.tsx";
import { useAccount } from "./account.ts";
import { AccountMenu } from "./account-menu.tsx";
import { CompanySwitch } from "./company-switch.tsx";
import { ConfirmationProvider, type ConfirmationDialogProps } from "./confirmation.tsx";
import { IdleWatch } from "./idle.tsx";
import { KeyboardProvider } from "./keyboard.tsx";
import { OfflineLine } from "./offline-line.tsx";
import { BottomBar, PaletteButton, Rail } from "./rail.tsx";
import { otherPerson } from "./session.ts";

/** What the sign-in's room gives: a dialog over a page whose session has ended. Closing it is not possible. */
export interface SignInAgainProps {
  /** Of the person whose page it is. */
  readonly email: string;
  readonly onSignedIn: () => void;
}

export interface FrameDialogs {
  readonly confirm: ComponentType<ConfirmationDialogProps>;
  readonly signInAgain: ComponentType<SignInAgainProps>;
}

/** What stands around each page of a signed-in person. */
export function SignedInFrame({ confirm, signInAgain }: FrameDialogs): ReactNode {
  return (
    <ToastProvider>
      <ConfirmationProvider dialog={confirm}>
        <KeyboardProvider>
          <a
            href="#main"
            className="fixed top-2 left-2 z-50 -translate-y-16 rounded-control bg-ink px-3 py-2 text-surface focus:translate-y-0"
          >
            Skip to the content
          </a>
          <OfflineLine />
          <div className="flex">
            <Rail />
            <div className="min-w-0 flex-1 max-tablet:pb-18">
              <div className="flex items-center justify-between gap-2 border-b border-line bg-surface px-4 py-2 tablet:hidden">
                <CompanySwitch />
                <div className="flex items-center">
                  <PaletteButton />
                  <AccountMenu />
                </div>
              </div>
              <main id="main" tabIndex={-1}>
                <Outlet />
              </main>
            </div>
          </div>
          <BottomBar />
        </KeyboardProvider>
        <Session dialog={signInAgain} />
      </ConfirmationProvider>
    </ToastProvider>
  );
}

function Session({ dialog: SignInAgain }: { readonly dialog: FrameDialogs["signInAgain"] }): ReactNode {
  const { session } = useRouter().options.context;
  const state = useSyncExternalStore(session.subscribe, session.state);
  const account = useAccount();
  const queryClient = useQueryClient();
  const trpc = useTRPC();
  if (state !== "ended") return <IdleWatch />;
  const goOn = async (): Promise<void> => {
    session.opened();
    const { id } = await queryClient.fetchQuery({ ...trpc.me.get.queryOptions(), staleTime: 0 });
    // Of another person nothing of this page may be seen or kept.
    if (id === account.id) return;
    dispatchEvent(new Event(otherPerson));
    location.replace("/");
  };
  return <SignInAgain email={account.email} onSignedIn={() => void goOn()} />;
}
