import { useInfiniteQuery } from "@tanstack/react-query";
import { FileCheck } from "lucide-react";
import { useMemo, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { IconButton } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { download } from "../ui/download.ts";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Paged } from "../ui/paged.tsx";
import { Time } from "../ui/time.tsx";
import { Section } from "./section.tsx";

type Export = ApiAnswers["exports"]["list"]["exports"][number];

/** The encrypted exports of the company, and the receipt of each. For those who may read the audit log. */
export function Exports(): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const client = useTRPCClient();
  const query = useInfiniteQuery({
    queryKey: [...trpc.exports.list.queryKey({ company }), "pages"],
    queryFn: ({ pageParam, signal }) =>
      client.exports.list.query({ company, ...(pageParam !== "" && { cursor: pageParam }) }, { signal }),
    initialPageParam: "",
    getNextPageParam: ({ cursor }) => cursor,
    gcTime: 0,
  });
  const receipt = useConfirmedChange((id: string) => client.exports.receipt.query({ company, export: id }), {
    why: "The receipt needs a recent sign-in.",
    onDone: (signed) => download(`${company}-export-receipt.json`, `${JSON.stringify(signed)}\n`),
  });
  const columns = useMemo(() => columnsWith(receipt.run), [receipt.run]);
  return (
    <Section
      title="Encrypted exports"
      text="What was handed over to which public keys. Each has a signed receipt, which can be verified without this deployment."
    >
      {receipt.error !== null && <ErrorNotice error={receipt.error} />}
      <Loaded query={query}>
        {({ pages }) => {
          const exports = pages.flatMap((page) => page.exports);
          return exports.length === 0 ? (
            <p className="text-muted">There are none.</p>
          ) : (
            <Paged query={query}>
              <DataTable label="Encrypted exports" rows={exports} columns={columns} rowKey={({ id }) => id} />
            </Paged>
          );
        }}
      </Loaded>
    </Section>
  );
}

function columnsWith(getReceipt: (id: string) => void): readonly Column<Export>[] {
  return [
    { id: "exported", header: "Exported", cell: ({ exportedAt }) => <Time at={exportedAt} /> },
    {
      id: "by",
      header: "By",
      cell: ({ facts }) => facts?.exportedByName ?? facts?.exportedBy ?? "The stored receipt is damaged",
    },
    { id: "secrets", header: "Secrets", cell: ({ facts }) => facts?.secrets, align: "end" },
    {
      id: "recipients",
      header: "To",
      cell: ({ facts }) =>
        facts?.recipients.map((recipient) => (
          <span key={recipient} title={recipient} className="block font-mono text-code">
            {recipient.slice(0, 12)}…
          </span>
        )),
    },
    {
      id: "receipt",
      header: "Receipt",
      cell: ({ id, exportedAt }) => (
        <IconButton
          label={`Download the receipt of ${exportedAt.toISOString()}`}
          icon={FileCheck}
          onClick={() => getReceipt(id)}
        />
      ),
      align: "end",
      onPhone: "corner",
    },
  ];
}
