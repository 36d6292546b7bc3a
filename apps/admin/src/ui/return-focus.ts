import { useRef } from "react";

/** For the content of a dialog that has no trigger of radix: brings the focus back to what had it, where that is still there. */
export function useReturnFocus(): {
  readonly onOpenAutoFocus: () => void;
  readonly onCloseAutoFocus: (event: Event) => void;
} {
  const before = useRef<Element>(null);
  return {
    onOpenAutoFocus: () => {
      before.current = document.activeElement;
    },
    onCloseAutoFocus: (event) => {
      if (!(before.current instanceof HTMLElement) || !before.current.isConnected) return;
      // Radix would bring it to the trigger.
      event.preventDefault();
      before.current.focus();
    },
  };
}
