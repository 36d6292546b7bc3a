import { Ellipsis, LogOut, ShieldOff, UserCheck, UserX } from "lucide-react";
import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useAccount } from "../frame/account.ts";
import { IconButton } from "../ui/button.tsx";
import { Menu, MenuItem } from "../ui/menu.tsx";

export type User = ApiAnswers["users"]["list"]["users"][number];

/** What operators do to the account of a person. */
export type PersonActKind = "reset" | "end-sessions" | "disable" | "enable";

/** Not offered to a person about themselves. */
export function PersonMenu({
  user,
  onAct,
}: {
  readonly user: User;
  readonly onAct: (kind: PersonActKind) => void;
}): ReactNode {
  const { id } = useAccount();
  if (user.id === id) return <span className="text-small text-muted">You</span>;
  return (
    <Menu trigger={<IconButton label={`Actions for ${user.email}`} icon={Ellipsis} />}>
      {user.secondFactor === true && (
        <MenuItem icon={ShieldOff} onSelect={() => onAct("reset")}>
          Reset the second factor…
        </MenuItem>
      )}
      <MenuItem icon={LogOut} onSelect={() => onAct("end-sessions")}>
        End sessions…
      </MenuItem>
      {user.status === "disabled" ? (
        <MenuItem icon={UserCheck} onSelect={() => onAct("enable")}>
          Enable…
        </MenuItem>
      ) : (
        <MenuItem icon={UserX} onSelect={() => onAct("disable")}>
          Disable…
        </MenuItem>
      )}
    </Menu>
  );
}
