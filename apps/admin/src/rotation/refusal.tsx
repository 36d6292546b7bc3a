import type { ReactNode } from "react";
import { explain } from "../errors.ts";
import { ErrorNotice, Notice } from "../ui/notice.tsx";

interface RefusalProps {
  readonly error: unknown;
  /** What did not happen. */
  readonly title: string;
}

/** Why a rotation does not do what a person asked for: in the server's own sentence, where it decided so. */
export function Refusal({ error, title }: RefusalProps): ReactNode {
  const { reason, detail } = explain(error);
  const isDecided = reason === "CONFLICT" || reason === "INVALID_VALUE" || reason === "NOT_SUPPORTED";
  return isDecided && detail !== undefined ? (
    <Notice kind="danger" title={title}>
      {detail}
    </Notice>
  ) : (
    <ErrorNotice error={error} />
  );
}
