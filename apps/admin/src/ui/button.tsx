import type { ButtonHTMLAttributes, ReactNode } from "react";
import type { LucideIcon } from "lucide-react";
import { Tooltip } from "./tooltip.tsx";

/** `danger` is for the click that destroys; a button that opens a question about it is `secondary`. */
export type ButtonKind = "primary" | "secondary" | "quiet" | "danger";

const looks: Readonly<Record<ButtonKind, string>> = {
  primary: "bg-accent text-on-accent hover:not-disabled:brightness-110",
  secondary: "border border-line bg-surface text-ink hover:not-disabled:border-control",
  quiet: "text-muted hover:not-disabled:bg-sunken hover:not-disabled:text-ink",
  danger: "bg-danger text-surface hover:not-disabled:brightness-110",
};

const shape =
  "inline-flex h-(--control-height) shrink-0 items-center justify-center gap-1.5 rounded-control font-medium whitespace-nowrap transition-[background-color,border-color,filter] disabled:opacity-55";

/** The looks of a button, for a link that has them. */
export function buttonLook(kind: ButtonKind = "secondary"): string {
  return `${shape} ${looks[kind]} px-3`;
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly kind?: ButtonKind;
  readonly icon?: LucideIcon;
  /** While the work that the click began goes on: the button takes no second click, and its width stays. */
  readonly busy?: boolean;
}

export function Button({
  kind = "secondary",
  icon: Icon,
  busy = false,
  children,
  type = "button",
  disabled,
  ...rest
}: ButtonProps): ReactNode {
  return (
    <button
      {...rest}
      type={type}
      disabled={disabled === true || busy}
      aria-busy={busy}
      className={`${buttonLook(kind)} ${busy ? "animate-pulse" : ""}`}
    >
      {Icon !== undefined && <Icon size={16} aria-hidden />}
      {children}
    </button>
  );
}

/** The looks of a button with an icon alone. */
export const iconButtonLook = `${shape} ${looks.quiet} w-(--control-height)`;

interface IconButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "children"> {
  /** What it does; read aloud, and shown beside it. */
  readonly label: string;
  readonly icon: LucideIcon;
}

export function IconButton({ label, icon: Icon, type = "button", ...rest }: IconButtonProps): ReactNode {
  return (
    <Tooltip text={label}>
      <button {...rest} type={type} aria-label={label} className={iconButtonLook}>
        <Icon size={16} aria-hidden />
      </button>
    </Tooltip>
  );
}
