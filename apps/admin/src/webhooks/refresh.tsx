import { useIsFetching, useQueryClient } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Button } from "../ui/button.tsx";

/** Asks again. Deliveries change by themselves, and looking is audited: the page does not ask of its own accord. */
export function Refresh(): ReactNode {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const filter = trpc.webhooks.pathFilter();
  const asked = useIsFetching(filter);
  return (
    <Button icon={RefreshCw} busy={asked > 0} onClick={() => void queryClient.invalidateQueries(filter)}>
      Refresh
    </Button>
  );
}
