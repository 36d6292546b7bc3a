import { X } from "lucide-react";
import { AlertDialog as RadixAlert, Dialog as Radix } from "radix-ui";
import { useState, type ReactNode } from "react";
import { Button, iconButtonLook } from "./button.tsx";
import { TextField } from "./field.tsx";
import { useReturnFocus } from "./return-focus.ts";

const veil = "fixed inset-0 z-40 bg-[rgb(0_0_0/0.45)]";
const box =
  "fixed top-1/2 left-1/2 z-40 grid max-h-[calc(100svh-32px)] w-[calc(100vw-32px)] max-w-[440px] -translate-1/2 gap-4 overflow-auto rounded-panel border border-line bg-raised p-5 shadow-raised";
const side =
  "fixed inset-y-0 right-0 z-40 grid w-full max-w-[480px] content-start gap-4 overflow-auto border-l border-line bg-raised p-5 shadow-raised";

interface DialogProps {
  readonly open: boolean;
  /** Called by Esc, the button and a click beside it. Without it the dialog stays until its work is done. */
  readonly onClose?: () => void;
  readonly title: string;
  readonly description?: ReactNode;
  readonly children: ReactNode;
  /** `side`: a sheet on the right, the whole width on phones. */
  readonly place?: "middle" | "side";
}

/** The focus stays in it, and returns to where it was. */
export function Dialog({
  open,
  onClose,
  title,
  description,
  children,
  place = "middle",
}: DialogProps): ReactNode {
  const returnFocus = useReturnFocus();
  return (
    <Radix.Root open={open} onOpenChange={(isOpen) => !isOpen && onClose?.()}>
      <Radix.Portal>
        <Radix.Overlay className={veil} />
        <Radix.Content
          {...returnFocus}
          className={place === "side" ? side : box}
          {...(description === undefined && { "aria-describedby": undefined })}
        >
          <div className="grid min-w-0 gap-1 pr-10">
            <Radix.Title className="text-section font-medium">{title}</Radix.Title>
            {description !== undefined && (
              <Radix.Description className="text-muted">{description}</Radix.Description>
            )}
          </div>
          {children}
          {/* The last one, so that the focus comes to what the dialog is for. A tooltip would take the first Esc. */}
          {onClose !== undefined && (
            <Radix.Close aria-label="Close" className={`${iconButtonLook} absolute top-3 right-3`}>
              <X size={16} aria-hidden />
            </Radix.Close>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface ConfirmDialogProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly title: string;
  /** What will be gone, and what stays. */
  readonly children: ReactNode;
  /** What the button does: "Destroy STRIPE_SECRET_KEY". */
  readonly action: string;
  readonly onConfirm: () => void;
  readonly busy?: boolean;
  /** What has to be typed first, such as the secret key. */
  readonly typed?: string;
}

/** Before what cannot be undone. A click beside it does not close it. */
export function ConfirmDialog({
  open,
  onClose,
  title,
  children,
  typed,
  ...rest
}: ConfirmDialogProps): ReactNode {
  const returnFocus = useReturnFocus();
  return (
    <RadixAlert.Root open={open} onOpenChange={(isOpen) => !isOpen && onClose()}>
      <RadixAlert.Portal>
        <RadixAlert.Overlay className={veil} />
        <RadixAlert.Content {...returnFocus} className={box}>
          <RadixAlert.Title className="text-section font-medium">{title}</RadixAlert.Title>
          <RadixAlert.Description asChild>
            <div className="text-muted">{children}</div>
          </RadixAlert.Description>
          <ConfirmForm {...rest} typed={typed} />
        </RadixAlert.Content>
      </RadixAlert.Portal>
    </RadixAlert.Root>
  );
}

function ConfirmForm({
  action,
  onConfirm,
  busy = false,
  typed,
}: Pick<ConfirmDialogProps, "action" | "onConfirm" | "busy"> & {
  readonly typed: string | undefined;
}): ReactNode {
  const [text, setText] = useState("");
  const isReady = typed === undefined || text === typed;
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady) onConfirm();
      }}
    >
      {typed !== undefined && (
        <TextField
          label={`Type ${typed} to go on`}
          value={text}
          onChange={(event) => setText(event.target.value)}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
      )}
      <div className="flex flex-wrap justify-end gap-2">
        <RadixAlert.Cancel asChild>
          <Button>Cancel</Button>
        </RadixAlert.Cancel>
        <Button kind="danger" type="submit" disabled={!isReady} busy={busy}>
          {action}
        </Button>
      </div>
    </form>
  );
}
