import { CircleCheck, Info, OctagonX, TriangleAlert, type LucideIcon } from "lucide-react";
import { useState, type ReactNode } from "react";
import { explain } from "../errors.ts";
import { Button } from "./button.tsx";
import { Copy } from "./copy.tsx";
import { useSecondsUntil } from "./time.tsx";

export type NoticeKind = "info" | "ok" | "warn" | "danger";

const looks: Readonly<Record<NoticeKind, readonly [look: string, icon: LucideIcon]>> = {
  info: ["border-line bg-sunken text-ink", Info],
  ok: ["border-ok/40 bg-ok-bg text-ok", CircleCheck],
  warn: ["border-warn/40 bg-warn-bg text-warn", TriangleAlert],
  danger: ["border-danger/40 bg-danger-bg text-danger", OctagonX],
};

interface NoticeProps {
  readonly kind?: NoticeKind;
  readonly title?: string;
  readonly children?: ReactNode;
  /** One button at most. */
  readonly action?: ReactNode;
}

/** Something to know, where it belongs. `danger` is read aloud at once. */
export function Notice({ kind = "info", title, children, action }: NoticeProps): ReactNode {
  const [look, Icon] = looks[kind];
  return (
    <div
      data-notice
      role={kind === "danger" ? "alert" : "status"}
      className={`flex gap-2.5 rounded-panel border px-3 py-2.5 ${look}`}
    >
      <Icon size={16} aria-hidden className="mt-0.5 shrink-0" />
      <div className="grid min-w-0 flex-1 gap-1">
        {title !== undefined && <p className="font-medium">{title}</p>}
        {children !== undefined && <div className="text-ink">{children}</div>}
      </div>
      {action}
    </div>
  );
}

/**
 * What went wrong with a call, what to do, and what an operator finds it by.
 *
 * @param onRetry makes the call again; without it there is no button
 */
export function ErrorNotice({
  error,
  onRetry,
}: {
  readonly error: unknown;
  readonly onRetry?: () => void;
}): ReactNode {
  const { title, text, action, detail, requestId, retryAfterMs } = explain(error);
  const [failedAt] = useState(() => Date.now());
  const seconds = useSecondsUntil(failedAt + (retryAfterMs ?? 0));
  return (
    <Notice
      kind="danger"
      title={title}
      action={
        onRetry !== undefined &&
        action !== undefined && (
          <Button onClick={onRetry} disabled={seconds > 0}>
            {seconds > 0 ? `${action} in ${seconds} s` : action}
          </Button>
        )
      }
    >
      <p>{text}</p>
      {detail !== undefined && <p className="text-small text-muted">{detail}</p>}
      {requestId !== undefined && (
        <p className="flex items-center gap-1 text-small text-muted">
          Request <code className="font-mono break-all">{requestId}</code>
          <Copy text={requestId} label="Copy the request id" />
        </p>
      )}
    </Notice>
  );
}
