import { Outlet, useRouter } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { TRPCProvider } from "../api.ts";
import { useAccount } from "./account.ts";
import { NotYoursPage } from "./company-frame.tsx";

/** Around the pages of operators: what they ask, they ask as the operator that the person is linked to. */
export function PlatformFrame(): ReactNode {
  const { operator } = useAccount();
  const { api } = useRouter().options.context;
  if (operator === undefined) return <NotYoursPage />;
  return (
    <TRPCProvider trpcClient={api.clients.operator} queryClient={api.queryClient} keyPrefix="operator">
      <Outlet />
    </TRPCProvider>
  );
}
