import { Link } from "@tanstack/react-router";
import { ScrollText } from "lucide-react";
import type { ReactNode } from "react";
import { buttonLook } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { Page } from "./page.tsx";

interface ShreddedPageProps {
  readonly company: string;
  readonly at: Date;
  /** Whether the audit log is open to the person. */
  readonly canReadLog: boolean;
}

/** In place of the secrets of a company whose keys were destroyed. */
export function ShreddedPage({ company, at, canReadLog }: ShreddedPageProps): ReactNode {
  return (
    <Page title="The secrets are destroyed">
      <div className="grid max-w-[64ch] justify-items-start gap-4">
        <Notice kind="warn" title="Gone for good">
          An operator of this platform destroyed the keys of {company} on <Time at={at} as="exact" />. No
          value can be read, restored or replaced any more, and the API keys open nothing.
        </Notice>
        <dl className="grid gap-3">
          <Fact name="What is left">
            The people of {company} and its audit log, with the names of the secrets. They hold no value.
          </Fact>
          <Fact name="Backups">
            A backup from before that time can still hold the values. The signed receipt says which ones, and
            until when. Operators have it.
          </Fact>
          <Fact name="At the providers">
            The credentials themselves still work there. Revoke those that are in use nowhere else.
          </Fact>
        </dl>
        {canReadLog && (
          <Link
            to="/c/$company/audit-log"
            params={{ company }}
            search={{ action: "key.shred", ...dayAround(at) }}
            className={buttonLook()}
          >
            <ScrollText size={16} aria-hidden />
            Open the audit log
          </Link>
        )}
      </div>
    </Page>
  );
}

/** So that the list has the event, whenever one looks. */
function dayAround(at: Date): { readonly from: string; readonly to: string } {
  const halfDayMs = 12 * 3_600_000;
  const moment = (offsetMs: number): string => new Date(at.getTime() + offsetMs).toISOString();
  return { from: moment(-halfDayMs), to: moment(halfDayMs) };
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }): ReactNode {
  return (
    <div>
      <dt className="font-medium">{name}</dt>
      <dd className="text-muted">{children}</dd>
    </div>
  );
}
