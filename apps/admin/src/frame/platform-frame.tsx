import { Link, Outlet, useLocation, useRouter } from "@tanstack/react-router";
import { useEffect, useRef, type ReactNode } from "react";
import { TRPCProvider } from "../api.ts";
import { useAccount } from "./account.ts";
import { NotYoursPage } from "./not-yours-page.tsx";
import { platformPlaces } from "./places.ts";

/** Around the pages of operators: what they ask, they ask as the operator that the person is linked to. */
export function PlatformFrame(): ReactNode {
  const { operator } = useAccount();
  const { pathname } = useLocation();
  const { api } = useRouter().options.context;
  if (operator === undefined) return <NotYoursPage />;
  return (
    <TRPCProvider trpcClient={api.clients.operator} queryClient={api.queryClient} keyPrefix="operator">
      <PlacesOnPhones key={pathname} />
      <Outlet />
    </TRPCProvider>
  );
}

/** There is no rail on phones, and more places than their bar has room for. */
function PlacesOnPhones(): ReactNode {
  const places = useRef<HTMLElement>(null);
  useEffect(() => {
    const open = places.current?.querySelector("[data-status=active]");
    open?.scrollIntoView({ block: "nearest", inline: "center" });
  }, []);
  return (
    <nav ref={places} aria-label="Operator" className="border-b border-line bg-operator-bg tablet:hidden">
      <p className="px-4 pt-1 text-small font-medium text-operator">Operator – no values</p>
      <div className="flex gap-4 overflow-x-auto px-4">
        {platformPlaces.map(({ to, label }) => (
          <Link
            key={to}
            to={to}
            className="flex h-(--control-height) items-center border-b-2 border-transparent whitespace-nowrap data-[status=active]:border-operator data-[status=active]:font-medium data-[status=active]:text-operator"
          >
            {label}
          </Link>
        ))}
      </div>
    </nav>
  );
}
