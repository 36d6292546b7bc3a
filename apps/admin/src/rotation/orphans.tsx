import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useRotationChange } from "../frame/rotation-change.ts";
import type { RotationPolicy } from "../frame/rotation-words.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { Notice } from "../ui/notice.tsx";
import { Refusal } from "./refusal.tsx";

/** What no run could end at the provider. A person deletes it there, and says so. */
export function Orphans({ policy: { secretKey, orphans } }: { readonly policy: RotationPolicy }): ReactNode {
  const { can } = useCompany();
  const [ended, setEnded] = useState<string>();
  return (
    <Notice kind="warn" title={`Credentials of ${secretKey} may be left at its provider`}>
      No active version has their values, but the provider may still accept them. Delete those of these names
      there.
      <ul className="grid gap-1 pt-1">
        {orphans.map((marker) => (
          <li key={marker} className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <Marker>{marker}</Marker>
            {can("rotate") && (
              <Button aria-label={`It has ended: ${marker}`} onClick={() => setEnded(marker)}>
                It has ended
              </Button>
            )}
          </li>
        ))}
      </ul>
      {ended !== undefined && (
        <EndDialog secretKey={secretKey} marker={ended} onClose={() => setEnded(undefined)} />
      )}
    </Notice>
  );
}

interface EndDialogProps {
  readonly secretKey: string;
  readonly marker: string;
  readonly onClose: () => void;
}

function EndDialog({ secretKey, marker, onClose }: EndDialogProps): ReactNode {
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const end = useRotationChange(() => client.rotation.endOrphan.mutate({ company, secretKey, marker }), {
    say: "It is listed no more",
    onDone: onClose,
  });
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title="Has this credential ended at the provider?"
      action="It has ended"
      onConfirm={() => end.run(undefined)}
      busy={end.isBusy}
    >
      <div className="grid gap-3">
        <p>
          <Marker>{marker}</Marker> is listed no more. The provider is not asked: one that is still there
          stays valid.
        </p>
        {end.error !== null && <Refusal error={end.error} title="It stays listed" />}
      </div>
    </ConfirmDialog>
  );
}

function Marker({ children }: { readonly children: string }): ReactNode {
  return (
    <span translate="no" className="font-mono text-code break-all">
      {children}
    </span>
  );
}
