import type { ReactNode } from "react";
import { Page } from "../frame/page.tsx";
import { PasswordSection } from "./password-section.tsx";
import { PreferencesSection } from "./preferences-section.tsx";
import { ProfileSection } from "./profile-section.tsx";
import { SecondFactorSection } from "./second-factor-section.tsx";
import { SessionsSection } from "./sessions-section.tsx";

/** The person's own account. */
export function AccountPage(): ReactNode {
  return (
    <Page title="Account">
      <div>
        <ProfileSection />
        <PasswordSection />
        <SecondFactorSection />
        <SessionsSection />
        <PreferencesSection />
      </div>
    </Page>
  );
}
