import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Send } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { useEndpointOwner } from "./place.ts";
import { wordsOfFailure, type Endpoint } from "./words.ts";

/** Sends a test, and shows how that went. */
export function TestButton({ endpoint }: { readonly endpoint: Endpoint }): ReactNode {
  const { company } = useEndpointOwner();
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const test = useMutation({
    mutationFn: () => client.webhooks.test.mutate({ company, endpoint: endpoint.id }),
    onSuccess: () => void queryClient.invalidateQueries(trpc.webhooks.pathFilter()),
  });
  return (
    <>
      <Button icon={Send} aria-keyshortcuts="t" busy={test.isPending} onClick={() => test.mutate()}>
        Send a test
      </Button>
      <Dialog open={test.data !== undefined || test.error !== null} onClose={test.reset} title="Test">
        {test.error !== null && <ErrorNotice error={test.error} />}
        {test.data !== undefined && <Result {...test.data} />}
      </Dialog>
    </>
  );
}

interface ResultProps {
  readonly delivered: boolean;
  readonly statusClass?: number | undefined;
  readonly failure?: string | undefined;
  readonly milliseconds: number;
}

function Result({ delivered, statusClass, failure = "", milliseconds }: ResultProps): ReactNode {
  const answered = statusClass === undefined ? "" : ` It answered with ${statusClass}xx.`;
  return delivered ? (
    <Notice kind="ok" title="The test arrived">
      It was answered with a 2xx in {milliseconds} ms.
    </Notice>
  ) : (
    <Notice kind="warn" title="The test did not arrive">
      {wordsOfFailure(failure)}, after {milliseconds} ms.{answered}
    </Notice>
  );
}
