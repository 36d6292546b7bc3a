import { useState } from "react";
import type { Purpose } from "../frame/purpose-field.tsx";

/** The last purpose is offered again for so long, in milliseconds. */
const rememberedMs = 10 * 60_000;
let last: { readonly purpose: Purpose; readonly at: number } | undefined;

/** Why one looks; with what was chosen last, for ten minutes. */
export function usePurpose() {
  const [purpose, setPurpose] = useState(() =>
    last !== undefined && Date.now() - last.at < rememberedMs ? last.purpose : undefined,
  );
  return {
    purpose,
    choose: (chosen: Purpose | undefined): void => {
      if (chosen !== undefined) last = { purpose: chosen, at: Date.now() };
      setPurpose(chosen);
    },
  };
}
