import { Ellipsis, MailX, Send } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../ui/button.tsx";
import { Menu, MenuItem } from "../ui/menu.tsx";

interface InvitationMenuProps {
  readonly email: string;
  readonly onAct: (act: "resend" | "revoke") => void;
}

/** What can be done with an invitation that was not accepted. */
export function InvitationMenu({ email, onAct }: InvitationMenuProps): ReactNode {
  return (
    <Menu trigger={<IconButton label={`Actions for ${email}`} icon={Ellipsis} />}>
      <MenuItem icon={Send} onSelect={() => onAct("resend")}>
        Send another link
      </MenuItem>
      <MenuItem icon={MailX} onSelect={() => onAct("revoke")} tone="danger">
        Revoke the invitation
      </MenuItem>
    </Menu>
  );
}
