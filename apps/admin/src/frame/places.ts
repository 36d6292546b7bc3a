import type { LinkProps } from "@tanstack/react-router";
import {
  Activity,
  ArrowRightLeft,
  Bot,
  Building2,
  CheckCheck,
  FileKey,
  Globe,
  KeyRound,
  ListChecks,
  RefreshCcwDot,
  type LucideIcon,
  ScrollText,
  Settings,
  TextSearch,
  Users,
  Webhook,
} from "lucide-react";
import type { Verb } from "@repo/tenant-secrets/client";

interface Place {
  readonly to: string;
  readonly label: string;
  readonly icon: LucideIcon;
  /** A person without it does not see the place. */
  readonly verb: Verb;
}

interface LinkedPlace extends Omit<Place, "to"> {
  readonly to: NonNullable<LinkProps["to"]>;
}

/** The places of a company, in the order of the rail. */
export const companyPlaces = [
  { to: "/c/$company/secrets", label: "Secrets", icon: KeyRound, verb: "describe" },
  { to: "/c/$company/rotation", label: "Rotation", icon: RefreshCcwDot, verb: "describe" },
  { to: "/c/$company/audit-log", label: "Audit log", icon: ScrollText, verb: "audit" },
  { to: "/c/$company/people", label: "People", icon: Users, verb: "members" },
  { to: "/c/$company/api-keys", label: "API keys", icon: Bot, verb: "members" },
  { to: "/c/$company/webhooks", label: "Webhooks", icon: Webhook, verb: "webhooks" },
  { to: "/c/$company/settings", label: "Settings", icon: Settings, verb: "describe" },
] as const satisfies readonly Place[];

/** Left out of the bar on phones, which has room for six: a secret links to it, and the palette does. */
export const notInBar: ReadonlySet<string> = new Set(["/c/$company/rotation"]);

/** The places of operators, in the order of the rail. The first one is where `/platform` leads to. */
export const platformPlaces: readonly Pick<LinkedPlace, "to" | "label" | "icon">[] = [
  { to: "/platform/companies", label: "Companies", icon: Building2 },
  { to: "/platform/people", label: "People", icon: Users },
  { to: "/platform/keys", label: "Keys", icon: FileKey },
  { to: "/platform/migrations", label: "Migrations", icon: ArrowRightLeft },
  { to: "/platform/regions", label: "Regions", icon: Globe },
  { to: "/platform/webhooks", label: "Webhooks", icon: Webhook },
  { to: "/platform/audit-log", label: "Audit log", icon: ScrollText },
  { to: "/platform/search", label: "Search by value", icon: TextSearch },
  { to: "/platform/runs", label: "Long work", icon: ListChecks },
  { to: "/platform/approvals", label: "Approvals", icon: CheckCheck },
  { to: "/platform/system", label: "System", icon: Activity },
];
