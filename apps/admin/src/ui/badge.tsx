import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

export type Tone = "neutral" | "accent" | "ok" | "warn" | "danger" | "operator";

const looks: Readonly<Record<Tone, string>> = {
  neutral: "bg-sunken text-muted",
  accent: "bg-accent-bg text-accent",
  ok: "bg-ok-bg text-ok",
  warn: "bg-warn-bg text-warn",
  danger: "bg-danger-bg text-danger",
  operator: "bg-operator-bg text-operator",
};

interface BadgeProps {
  readonly tone?: Tone;
  readonly icon?: LucideIcon;
  /** A word: the colour alone says nothing. */
  readonly children: ReactNode;
}

export function Badge({ tone = "neutral", icon: Icon, children }: BadgeProps): ReactNode {
  return (
    <span
      data-badge
      className={`inline-flex items-center gap-1 rounded-full px-2 py-0.5 text-small font-medium whitespace-nowrap ${looks[tone]}`}
    >
      {Icon !== undefined && <Icon size={12} aria-hidden />}
      {children}
    </span>
  );
}
