import { useNavigate } from "@tanstack/react-router";
import { createContext, use, useCallback, useMemo, useState, type ReactNode } from "react";

/** What a panel can be opened for. */
export type PanelPart = "replace" | "reveal" | "history";

interface Asked {
  readonly secretKey: string;
  readonly part: PanelPart;
  /** How often something was asked for: the same can be asked for again while the panel is open. */
  readonly times: number;
}

interface Panels {
  readonly asked: Asked | undefined;
  readonly open: (secretKey: string, part: PanelPart) => void;
}

const PanelContext = createContext<Panels>({ asked: undefined, open: () => {} });

interface PanelPartProviderProps {
  readonly company: string;
  /** The secret whose panel is open. */
  readonly secretKey: string | undefined;
  readonly children: ReactNode;
}

/** Around the list and the panel: a menu of a row opens the panel for something. */
export function PanelPartProvider({ company, secretKey, children }: PanelPartProviderProps): ReactNode {
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Asked>();
  const [seen, setSeen] = useState(secretKey);
  if (seen !== secretKey) {
    setSeen(secretKey);
    if (asked?.secretKey !== secretKey) setAsked(undefined);
  }
  const open = useCallback<Panels["open"]>(
    (wanted, part) => {
      setAsked((before) => ({ secretKey: wanted, part, times: (before?.times ?? 0) + 1 }));
      void navigate({
        to: "/c/$company/secrets/$secretKey",
        params: { company, secretKey: wanted },
        search: true,
        resetScroll: false,
      });
    },
    [company, navigate],
  );
  const panels = useMemo(() => ({ asked, open }), [asked, open]);
  return <PanelContext value={panels}>{children}</PanelContext>;
}

/** Opens the panel of a secret for something. */
export function useOpenPanel(): Panels["open"] {
  return use(PanelContext).open;
}

/** What the panel of the secret was opened for; undefined where it was just opened. */
export function useAskedPart(secretKey: string): Pick<Asked, "part" | "times"> | undefined {
  const { asked } = use(PanelContext);
  return asked?.secretKey === secretKey ? asked : undefined;
}
