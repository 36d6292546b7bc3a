import { KeyRound, type LucideIcon } from "lucide-react";
import type { Verb } from "@repo/tenant-secrets/client";

interface Place {
  readonly to: string;
  readonly label: string;
  readonly icon: LucideIcon;
  /** A person without it does not see the place. */
  readonly verb: Verb;
}

/** The places of a company, in the order of the rail. At most five: the bar on phones has no more room. */
export const companyPlaces = [
  { to: "/c/$company/secrets", label: "Secrets", icon: KeyRound, verb: "describe" },
] as const satisfies readonly Place[];
