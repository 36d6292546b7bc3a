import { Link } from "@tanstack/react-router";
import { Ellipsis, Pause, Pencil, Play, RefreshCcwDot, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { isUnderWay, type RotationPolicy } from "../frame/rotation-words.ts";
import { IconButton } from "../ui/button.tsx";
import { Menu, MenuItem, MenuLink, MenuSeparator } from "../ui/menu.tsx";
import type { OpenPolicyDialog } from "./policy-dialogs.tsx";

interface PolicyMenuProps {
  readonly policy: RotationPolicy;
  readonly onOpen: (dialog: OpenPolicyDialog) => void;
}

/** What can be done with a policy. */
export function PolicyMenu({ policy, onOpen }: PolicyMenuProps): ReactNode {
  const { subdomain: company } = useCompany();
  const { secretKey, state, lastRun } = policy;
  const isRotating = lastRun !== undefined && isUnderWay(lastRun);
  return (
    <Menu trigger={<IconButton label={`Actions for ${secretKey}`} icon={Ellipsis} />}>
      {!isRotating && (
        <MenuItem icon={RefreshCcwDot} onSelect={() => onOpen({ policy, act: "rotate" })}>
          Rotate now…
        </MenuItem>
      )}
      <MenuLink>
        <Link to="/c/$company/rotation/$secretKey" params={{ company, secretKey }}>
          <Pencil size={16} aria-hidden className="text-muted" />
          Edit…
        </Link>
      </MenuLink>
      {state === "active" ? (
        <MenuItem icon={Pause} onSelect={() => onOpen({ policy, act: "pause" })}>
          Pause…
        </MenuItem>
      ) : (
        <MenuItem icon={Play} onSelect={() => onOpen({ policy, act: "resume" })}>
          Resume…
        </MenuItem>
      )}
      <MenuSeparator />
      <MenuItem icon={Trash2} onSelect={() => onOpen({ policy, act: "remove" })}>
        Remove…
      </MenuItem>
    </Menu>
  );
}
