import type { LucideIcon } from "lucide-react";
import { DropdownMenu as Radix, Popover as RadixPopover } from "radix-ui";
import { createContext, use, useRef, type ReactElement, type ReactNode } from "react";

const floating = "z-50 rounded-panel border border-line bg-raised shadow-raised";

interface MenuProps {
  /** The button that opens it. */
  readonly trigger: ReactElement;
  readonly children: ReactNode;
  readonly align?: "start" | "end";
  /** Whether it is open from the beginning. */
  readonly startsOpen?: boolean;
}

const Choose = createContext<(act: () => void) => void>((act) => act());

/** Actions that are not always in sight. Not modal: a modal one would lock the page by a style of its own. */
export function Menu({ trigger, children, align = "end", startsOpen = false }: MenuProps): ReactNode {
  const chosen = useRef<() => void>(undefined);
  const actAfterClosing = (): void => {
    const act = chosen.current;
    chosen.current = undefined;
    // Once the button has the focus again: a dialog that is opened then gives it back there.
    if (act !== undefined) queueMicrotask(act);
  };
  return (
    <Radix.Root modal={false} defaultOpen={startsOpen}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          onCloseAutoFocus={actAfterClosing}
          className={`${floating} max-h-(--radix-dropdown-menu-content-available-height) min-w-44 overflow-auto p-1`}
        >
          <Choose value={(act) => void (chosen.current = act)}>{children}</Choose>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface MenuItemProps {
  readonly icon?: LucideIcon;
  readonly onSelect?: () => void;
  readonly disabled?: boolean;
  /** `danger` for what destroys at once. */
  readonly tone?: "danger";
  /** A text; or a link, with `asChild`. */
  readonly children: ReactNode;
}

const itemLook =
  "flex min-h-(--control-height) items-center gap-2 rounded-control px-2 outline-none data-disabled:text-muted data-highlighted:bg-sunken data-highlighted:outline-2 data-highlighted:outline-transparent";

export function MenuItem({
  icon: Icon,
  onSelect,
  disabled = false,
  tone,
  children,
}: MenuItemProps): ReactNode {
  const choose = use(Choose);
  return (
    <Radix.Item
      disabled={disabled}
      onSelect={() => onSelect !== undefined && choose(onSelect)}
      className={`${itemLook} cursor-pointer ${tone === "danger" ? "text-danger" : ""}`}
    >
      {Icon !== undefined && <Icon size={16} aria-hidden className="text-muted" />}
      {children}
    </Radix.Item>
  );
}

/** @param children a `Link` */
export function MenuLink({ children }: { readonly children: ReactElement }): ReactNode {
  return (
    <Radix.Item asChild className={itemLook}>
      {children}
    </Radix.Item>
  );
}

export function MenuSeparator(): ReactNode {
  return <Radix.Separator className="my-1 h-px bg-line" />;
}

/** A small panel that belongs to a button: filters, explanations. */
export function Popover({
  trigger,
  label,
  children,
  align = "start",
}: Omit<MenuProps, "startsOpen"> & { readonly label: string }): ReactNode {
  return (
    <RadixPopover.Root>
      <RadixPopover.Trigger asChild>{trigger}</RadixPopover.Trigger>
      <RadixPopover.Portal>
        <RadixPopover.Content
          aria-label={label}
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className={`${floating} w-80 max-w-[calc(100vw-16px)] p-3`}
        >
          {children}
        </RadixPopover.Content>
      </RadixPopover.Portal>
    </RadixPopover.Root>
  );
}
