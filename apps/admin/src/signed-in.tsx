import type { ReactNode } from "react";
import { SignedInFrame } from "./frame/signed-in-frame.tsx";
import { ConfirmIdentity, SignInAgain } from "./sign-in/dialogs.tsx";

/**
 * What stands around the pages of a signed-in person, with the sign-in's dialogs. A module that the router loads before it draws:
 * what React has to wait for while it draws is shown 300 ms later.
 */
export function SignedIn(): ReactNode {
  return <SignedInFrame confirm={ConfirmIdentity} signInAgain={SignInAgain} />;
}
