import { Check, Minus } from "lucide-react";
import type { ReactNode } from "react";
import type { Capabilities } from "@repo/tenant-secrets/client";
import { abilityWords } from "./words.ts";

/** What the store of the company can do, and what it cannot. */
export function StoreAbilities({ abilities }: { readonly abilities: Capabilities }): ReactNode {
  return (
    <ul aria-label="What the store can do" className="grid gap-1.5 border-t border-line pt-3">
      {abilityWords.map(([ability, words]) => {
        const isThere = abilities[ability];
        const Icon = isThere ? Check : Minus;
        return (
          <li key={ability} className={`flex items-start gap-2 ${isThere ? "" : "text-muted"}`}>
            <Icon size={16} aria-hidden className={`mt-0.5 shrink-0 ${isThere ? "text-ok" : ""}`} />
            <span>
              {words}
              {!isThere && " – not in this store"}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
