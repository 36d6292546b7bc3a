import { useState, type ReactNode } from "react";
import { Switch } from "../ui/choices.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Keys } from "../ui/keys.tsx";
import { chooseShortcuts, paletteKeys, shortcutList, shortcutsChoice, usePlaces } from "./shortcuts.ts";

/** What each key does, and whether single ones do something. */
export function ShortcutsDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [isOn, setOn] = useState(shortcutsChoice);
  const places = usePlaces()
    .filter(({ key }) => key !== undefined)
    .map(({ key = "", label }) => [["g", key], label] as const);
  return (
    <Dialog open onClose={onClose} title="Keyboard shortcuts">
      <ul className="grid">
        {[[paletteKeys, "Go anywhere, do anything"] as const, ...places, ...shortcutList].map(
          ([keys, what]) => (
            <li
              key={what}
              className="flex min-h-9 items-center justify-between gap-4 border-t border-line first:border-t-0"
            >
              {what}
              <Keys keys={keys} />
            </li>
          ),
        )}
      </ul>
      <Switch
        label="Single keys do something in this browser"
        hint={`Outside fields. ${paletteKeys.join(" ")} and Esc stay.`}
        checked={isOn}
        onChange={(on) => {
          chooseShortcuts(on);
          setOn(on);
        }}
      />
    </Dialog>
  );
}
