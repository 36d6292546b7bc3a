import { useQueryClient } from "@tanstack/react-query";
import { Link, useLocation, useRouter } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { forgetEverything } from "../frame/account.ts";
import { VisitorPage } from "../frame/visitor-page.tsx";
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
    <VisitorPage>
      <SignInForm onDone={goOn} />
      <Link to="/forgot" className="justify-self-center text-accent hover:underline">
        Forgot password
      </Link>
    </VisitorPage>
  );
}
