import { X } from "lucide-react";
import { Toast as Radix } from "radix-ui";
import { createContext, use, useCallback, useState, type ReactNode } from "react";
import { Button, IconButton } from "./button.tsx";

interface Toast {
  readonly text: string;
  /** Takes back what was done. */
  readonly undo?: (() => void) | undefined;
}

type Say = (text: string, undo?: () => void) => void;

const Toasts = createContext<Say>(() => {});

/** Tells that something was done, and can offer to undo it. Errors stand where they belong, in a notice. */
export function useToast(): Say {
  return use(Toasts);
}

const shownMs = 6000;
/** Long enough to see what one removed. */
const shownWithUndoMs = 20_000;

export function ToastProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [toasts, setToasts] = useState<readonly (Toast & { readonly id: string })[]>([]);
  const say = useCallback<Say>((text, undo) => {
    setToasts((shown) => [...shown.slice(-2), { id: crypto.randomUUID(), text, undo }]);
  }, []);
  const close = (id: string): void => setToasts((shown) => shown.filter((toast) => toast.id !== id));
  return (
    <Toasts value={say}>
      <Radix.Provider label="Message" swipeDirection="right">
        {children}
        {toasts.map(({ id, text, undo }) => (
          <Radix.Root
            key={id}
            duration={undo === undefined ? shownMs : shownWithUndoMs}
            onOpenChange={(isOpen) => !isOpen && close(id)}
            className="flex items-center gap-3 rounded-panel border border-line bg-raised py-2 pr-2 pl-3 shadow-raised"
          >
            <Radix.Description className="flex-1">{text}</Radix.Description>
            {undo !== undefined && (
              <Radix.Action asChild altText="Undo">
                <Button onClick={undo}>Undo</Button>
              </Radix.Action>
            )}
            <Radix.Close asChild>
              <IconButton label="Close" icon={X} />
            </Radix.Close>
          </Radix.Root>
        ))}
        <Radix.Viewport className="fixed right-4 bottom-4 z-50 grid w-[calc(100vw-32px)] max-w-96 gap-2 outline-none max-tablet:bottom-20" />
      </Radix.Provider>
    </Toasts>
  );
}
