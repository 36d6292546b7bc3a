import { Ellipsis, LogOut, MailX, Send, UserCog, UserMinus } from "lucide-react";
import type { ReactNode } from "react";
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
  const trigger = <IconButton label={`Actions for ${row.email}`} icon={Ellipsis} />;
  if (row.kind === "invitation") {
    return (
      <Menu trigger={trigger}>
        <MenuItem icon={Send} onSelect={() => onAct("resend")}>
          Send another link
        </MenuItem>
        <MenuItem icon={MailX} onSelect={() => onAct("revoke")} tone="danger">
          Revoke the invitation
        </MenuItem>
      </Menu>
    );
  }
  const hasSignedIn = row.member.lastSignInAt !== undefined;
  return (
    <Menu trigger={trigger}>
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
