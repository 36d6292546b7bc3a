import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { reasonOf } from "../errors.ts";
import type { Capabilities } from "./form-catalog.ts";
import {
  comparableOf,
  movedSince,
  verdictsOf,
  writtenBy,
  type ImportRow,
  type Verdicts,
} from "./import-rows.ts";

/** What a person decides on. */
export interface Plan {
  readonly rows: readonly ImportRow[];
  readonly verdicts: Verdicts;
  /** Rows whose secrets someone changed since they were compared before. */
  readonly moved: ReadonlySet<ImportRow["id"]>;
  /** For the history of each secret. */
  readonly note: string;
  /** Of this content: sent again, it is applied once. */
  readonly requestId: string;
}

export type Importing =
  | { readonly step: "idle" }
  | { readonly step: "busy" }
  /** No answer came, or one that leaves it open whether something was written. */
  | { readonly step: "unknown" }
  | { readonly step: "failed"; readonly error: unknown };

export interface Written {
  readonly secretKey: string;
  readonly version: number;
}

/** Compares a file with what is there, and writes it. The values pass the cache of queries by. */
export function useImport(company: string, capabilities: Capabilities) {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const [plan, setPlan] = useState<Plan>();
  const [state, setState] = useState<Importing>({ step: "idle" });

  const compare = async (rows: readonly ImportRow[], before?: Verdicts): Promise<void> => {
    setState({ step: "busy" });
    try {
      const entries = comparableOf(rows);
      const verdicts = verdictsOf(rows, await client.secrets.planImport.mutate({ company, entries }));
      const moved = before === undefined ? new Set<number>() : movedSince(before, verdicts);
      setPlan({ rows, verdicts, moved, note: plan?.note ?? "", requestId: crypto.randomUUID() });
      setState({ step: "idle" });
    } catch (error) {
      setState({ step: "failed", error });
    }
  };

  const write = async (): Promise<readonly Written[] | undefined> => {
    if (plan === undefined) return undefined;
    setState({ step: "busy" });
    const chosen = writtenBy(plan.rows, plan.verdicts);
    try {
      const { written } = await client.secrets.import.mutate({
        company,
        entries: chosen.map(({ row: { secretKey, entry } }) => ({ ...entry, secretKey })),
        expected: chosen.map(({ row: { secretKey }, version }) => ({ secretKey, version })),
        ...(capabilities.requestIds && { requestId: plan.requestId }),
        ...(capabilities.notes && plan.note !== "" && { note: plan.note }),
      });
      setState({ step: "idle" });
      setPlan(undefined);
      void queryClient.invalidateQueries(trpc.secrets.pathFilter());
      return written;
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === "CONFLICT") await compare(plan.rows, plan.verdicts);
      else if (reason === "NO_ANSWER" || reason === "DATABASE_UNAVAILABLE" || reason === "INTERNAL") {
        setState({ step: "unknown" });
      } else setState({ step: "failed", error });
      return undefined;
    }
  };

  /** Another choice is another request. */
  const change = (changed: Partial<Pick<Plan, "rows" | "note">>): void => {
    if (plan === undefined) return;
    setPlan({ ...plan, ...changed, requestId: crypto.randomUUID() });
    setState({ step: "idle" });
  };

  return { plan, state, compare, write, change, leave: () => setPlan(undefined) };
}
