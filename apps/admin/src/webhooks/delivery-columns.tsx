import { rowLinkLook, type Column } from "../ui/data-table-columns.ts";
import { Time } from "../ui/time.tsx";
import { DeliveryBadge } from "./state-badge.tsx";
import { wordsOfType } from "./type-words.ts";
import { lastAnswer, type Delivery } from "./words.ts";

/** @param open shows one of them */
export function columnsWith(open: (delivery: Delivery) => void): readonly Column<Delivery>[] {
  return [
    {
      id: "notification",
      header: "Notification",
      cell: (delivery) => (
        <span className="grid justify-items-start">
          <button
            type="button"
            onClick={() => open(delivery)}
            className={`text-left font-medium hover:underline ${rowLinkLook}`}
          >
            {wordsOfType(delivery.type)}
          </button>
          <span translate="no" className="font-mono text-small text-muted">
            {delivery.type}
          </span>
        </span>
      ),
      onPhone: "heading",
    },
    { id: "state", header: "State", cell: ({ state }) => <DeliveryBadge state={state} /> },
    {
      id: "answer",
      header: "Last answer",
      cell: (delivery) => (
        <span className="block max-w-56 truncate max-tablet:max-w-none" title={lastAnswer(delivery)}>
          {lastAnswer(delivery) ?? <span className="text-muted">–</span>}
        </span>
      ),
    },
    {
      id: "attempts",
      header: "Attempts",
      align: "end",
      cell: ({ attempts }) => <span className="tabular-nums">{attempts.length}</span>,
    },
    { id: "made", header: "Made", align: "end", cell: ({ createdAt }) => <Time at={createdAt} /> },
    {
      id: "next",
      header: "Next attempt",
      align: "end",
      cell: ({ nextAt }) =>
        nextAt === undefined ? <span className="text-muted">–</span> : <Time at={nextAt} />,
    },
  ];
}
