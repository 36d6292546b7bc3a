import { Ellipsis, Pause, Pencil, Play, RefreshCw, Trash2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { IconButton } from "../ui/button.tsx";
import { Menu, MenuItem } from "../ui/menu.tsx";
import { EditDialog } from "./edit-dialog.tsx";
import type { MadeSecret } from "./making.ts";
import { Refresh } from "./refresh.tsx";
import { RemoveDialog } from "./remove-dialog.tsx";
import { RollDialog } from "./roll-dialog.tsx";
import { PauseDialog, ResumeDialog } from "./state-dialogs.tsx";
import { TestButton } from "./test-button.tsx";
import type { Endpoint } from "./words.ts";

interface EndpointActionsProps {
  readonly endpoint: Endpoint;
  readonly onRolled: (made: MadeSecret) => void;
}

const dialogs = {
  edit: EditDialog,
  pause: PauseDialog,
  resume: ResumeDialog,
  remove: RemoveDialog,
} as const;

/** What can be done with an endpoint. */
export function EndpointActions({ endpoint, onRolled }: EndpointActionsProps): ReactNode {
  const [opened, setOpened] = useState<keyof typeof dialogs | "roll">();
  const close = (): void => setOpened(undefined);
  const { state } = endpoint;
  const Opened = opened === undefined || opened === "roll" ? undefined : dialogs[opened];
  return (
    <>
      <Refresh />
      {(state === "active" || state === "unverified") && <TestButton endpoint={endpoint} />}
      <Menu trigger={<IconButton label="Actions for this endpoint" icon={Ellipsis} />}>
        <MenuItem icon={Pencil} onSelect={() => setOpened("edit")}>
          Edit…
        </MenuItem>
        <MenuItem icon={RefreshCw} onSelect={() => setOpened("roll")}>
          Roll the secret…
        </MenuItem>
        {(state === "active" || state === "unverified") && (
          <MenuItem icon={Pause} onSelect={() => setOpened("pause")}>
            Pause…
          </MenuItem>
        )}
        {(state === "paused" || state === "disabled") && (
          <MenuItem icon={Play} onSelect={() => setOpened("resume")}>
            Resume…
          </MenuItem>
        )}
        <MenuItem icon={Trash2} onSelect={() => setOpened("remove")}>
          Remove…
        </MenuItem>
      </Menu>
      {opened === "roll" && <RollDialog endpoint={endpoint} onClose={close} onRolled={onRolled} />}
      {Opened !== undefined && <Opened endpoint={endpoint} onClose={close} />}
    </>
  );
}
