import { createContext, lazy, Suspense, use, useMemo, useState, type ReactNode } from "react";
import { useShortcuts } from "./shortcuts.ts";

const Palette = lazy(async () => ({ default: (await import("./palette.tsx")).Palette }));
const ShortcutsDialog = lazy(async () => ({
  default: (await import("./shortcuts-dialog.tsx")).ShortcutsDialog,
}));

interface Keyboard {
  /** Opens the palette, from where one goes anywhere by typing. */
  readonly palette: () => void;
  /** Opens the list of the shortcuts. */
  readonly list: () => void;
}

const KeyboardContext = createContext<Keyboard | undefined>(undefined);

/** For buttons that open what a key opens, too. */
export function useKeyboard(): Keyboard {
  const keyboard = use(KeyboardContext);
  if (keyboard === undefined) throw new Error("This is not inside a KeyboardProvider.");
  return keyboard;
}

/** The shortcuts of all pages, and what they open, which is loaded when it is opened. */
export function KeyboardProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [opened, setOpened] = useState<"palette" | "list">();
  const keyboard = useMemo(
    () => ({ palette: () => setOpened("palette"), list: () => setOpened("list") }),
    [],
  );
  useShortcuts(keyboard);
  const close = (): void => setOpened(undefined);
  return (
    <KeyboardContext value={keyboard}>
      {children}
      <Suspense>
        {opened === "palette" && <Palette onClose={close} />}
        {opened === "list" && <ShortcutsDialog onClose={close} />}
      </Suspense>
    </KeyboardContext>
  );
}
