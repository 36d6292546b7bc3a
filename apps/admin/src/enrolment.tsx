import type { ReactNode } from "react";
import { EnrolmentPage } from "./account/enrolment-page.tsx";
import { ConfirmationProvider } from "./frame/confirmation.tsx";
import { ConfirmIdentity } from "./sign-in/dialogs.tsx";

/** The page of a person whose second factor is due before anything else, with the sign-in's dialog. */
export function Enrolment(): ReactNode {
  return (
    <ConfirmationProvider dialog={ConfirmIdentity}>
      <EnrolmentPage />
    </ConfirmationProvider>
  );
}
