import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { buttonLook } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";

/** After a call that another operator has to approve first. @param again what to do then: "shred the company" */
export function ApprovalNeeded({ again }: { readonly again: string }): ReactNode {
  return (
    <Notice
      kind="warn"
      title="Another operator has to approve this"
      action={
        <Link to="/platform/approvals" className={buttonLook()}>
          See the approvals
        </Link>
      }
    >
      Nothing was destroyed. Once it is approved, within 24 hours, {again} with the same details again.
    </Notice>
  );
}
