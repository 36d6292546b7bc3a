import { Link, useParams } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { lazy, Suspense, type ReactNode } from "react";
import { Keys } from "../ui/keys.tsx";
import { useAccount } from "./account.ts";
import { AccountMenu } from "./account-menu.tsx";
import { CompanySwitch } from "./company-switch.tsx";
import { useKeyboard } from "./keyboard.tsx";
import { notInBar, platformPlaces } from "./places.ts";
import { paletteKeys, usePlaces } from "./shortcuts.ts";

// Visitors, who load the frame with the rest, see no work.
const WorkClock = lazy(async () => ({ default: (await import("./work-clock.tsx")).WorkClock }));

const itemLook =
  "flex h-9 items-center gap-2.5 rounded-control px-2.5 text-muted transition-colors hover:bg-sunken hover:text-ink data-[status=active]:bg-accent-bg data-[status=active]:font-medium data-[status=active]:text-accent max-desktop:justify-center";

/** On the left: the company, its places, and the account. Icons alone where it is narrow; nothing on phones. */
export function Rail(): ReactNode {
  return (
    <div className="sticky top-0 flex h-svh w-56 shrink-0 flex-col gap-3 border-r border-line bg-surface p-3 max-desktop:w-15 max-tablet:hidden">
      <CompanySwitch />
      <PaletteButton />
      <nav aria-label="Main" className="grid gap-0.5">
        <CompanyLinks look={itemLook} labelLook="max-desktop:sr-only" />
        <OperatorLinks />
      </nav>
      <div className="mt-auto grid gap-0.5">
        <Suspense fallback={null}>
          <WorkClock />
        </Suspense>
        <AccountMenu />
      </div>
    </div>
  );
}

/** At the bottom of phones. */
export function BottomBar(): ReactNode {
  return (
    <nav
      aria-label="Main"
      className="fixed inset-x-0 bottom-0 z-30 flex justify-around border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] empty:hidden tablet:hidden"
    >
      <CompanyLinks
        look="grid h-14 min-w-14 flex-1 place-content-center justify-items-center gap-0.5 text-small text-muted data-[status=active]:text-accent"
        labelLook=""
        leftOut={notInBar}
      />
    </nav>
  );
}

/** The way to everything, by typing. */
export function PaletteButton(): ReactNode {
  const { palette } = useKeyboard();
  return (
    <button
      type="button"
      onClick={palette}
      className="flex h-9 items-center gap-2.5 rounded-control px-2.5 text-muted transition-colors hover:bg-sunken hover:text-ink max-desktop:justify-center max-tablet:size-11"
    >
      <Search size={16} aria-hidden />
      <span className="flex-1 text-left max-desktop:sr-only">Go to</span>
      <span className="max-desktop:hidden">
        <Keys keys={paletteKeys} />
      </span>
    </button>
  );
}

interface CompanyLinksProps {
  readonly look: string;
  readonly labelLook: string;
  readonly leftOut?: ReadonlySet<string>;
}

function CompanyLinks({ look, labelLook, leftOut }: CompanyLinksProps): ReactNode {
  const { company } = useParams({ strict: false });
  const places = usePlaces();
  if (company === undefined) return null;
  const shown = places.filter(({ to }) => leftOut?.has(to) !== true);
  return shown.map(({ to, label, icon: Icon }) => (
    <Link key={to} to={to} params={{ company }} className={look}>
      <Icon size={16} aria-hidden />
      <span className={labelLook}>{label}</span>
    </Link>
  ));
}

/** Below a band that says as whom the pages act: an operator sees no value. */
function OperatorLinks(): ReactNode {
  const { operator } = useAccount();
  if (operator === undefined || platformPlaces.length === 0) return null;
  return (
    <>
      <p className="mt-4 mb-1 rounded-control bg-operator-bg px-2.5 py-1 text-small font-medium text-operator max-desktop:sr-only">
        Operator – no values
      </p>
      {platformPlaces.map(({ to, label, icon: Icon }) => (
        <Link key={to} to={to} className={itemLook}>
          <Icon size={16} aria-hidden />
          <span className="max-desktop:sr-only">{label}</span>
        </Link>
      ))}
    </>
  );
}
