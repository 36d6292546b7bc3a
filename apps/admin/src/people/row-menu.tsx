import { Ellipsis, LogOut, UserCog, UserMinus } from "lucide-react";
import type { ReactNode } from "react";
import { InvitationMenu } from "../frame/invitation-menu.tsx";
import { IconButton } from "../ui/button.tsx";
import { Menu, MenuItem, MenuSeparator } from "../ui/menu.tsx";
import type { PersonRow } from "./rows.ts";

/** What a person may do to another one, or to themselves. */
export type Act = "change-role" | "end-sessions" | "remove" | "resend" | "revoke";

export function RowMenu({
  row,
  onAct,
}: {
  readonly row: PersonRow;
  readonly onAct: (act: Act) => void;
}): ReactNode {
  if (!row.isManaged) return null;
  if (row.kind === "invitation") return <InvitationMenu email={row.email} onAct={onAct} />;
  const hasSignedIn = row.member.lastSignInAt !== undefined;
  return (
    <Menu trigger={<IconButton label={`Actions for ${row.email}`} icon={Ellipsis} />}>
      <MenuItem icon={UserCog} onSelect={() => onAct("change-role")}>
        Change role…
      </MenuItem>
      {hasSignedIn && !row.isYou && (
        <MenuItem icon={LogOut} onSelect={() => onAct("end-sessions")}>
          End sessions…
        </MenuItem>
      )}
      <MenuSeparator />
      <MenuItem icon={UserMinus} onSelect={() => onAct("remove")}>
        {row.isYou ? "Leave the company…" : "Remove…"}
      </MenuItem>
    </Menu>
  );
}
