import { useQueryClient } from "@tanstack/react-query";
import { useLocation, useRouter } from "@tanstack/react-router";
import type { ReactNode } from "react";
import iconUrl from "../icon.svg";
import { forgetEverything } from "../frame/account.ts";
import { SignInForm } from "./sign-in-form.tsx";

export function SignInPage(): ReactNode {
  const router = useRouter();
  const queryClient = useQueryClient();
  const target = useLocation({ select: ({ state }) => state.target });
  const goOn = (): void => {
    forgetEverything(queryClient);
    router.history.replace(target ?? "/");
  };
  return (
    <main className="mx-auto grid min-h-svh w-full max-w-[408px] content-center gap-6 px-6 py-12">
      <div className="flex items-center gap-3">
        <img src={iconUrl} alt="" width="32" height="32" />
        <h1 className="text-title font-medium tracking-[-0.01em]">Tenant Secrets</h1>
      </div>
      <SignInForm onDone={goOn} />
    </main>
  );
}
