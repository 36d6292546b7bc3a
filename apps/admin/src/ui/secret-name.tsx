import type { ReactNode } from "react";

/** A secret key, and over it or beside it what it is called. */
export function SecretName({
  secretKey,
  label,
}: {
  readonly secretKey: string;
  readonly label?: string | undefined;
}): ReactNode {
  return (
    <span className="grid min-w-0">
      <span translate="no" className="truncate font-mono text-code">
        {secretKey}
      </span>
      {label !== undefined && <span className="truncate text-small text-muted">{label}</span>}
    </span>
  );
}

/** In place of a value that is not shown: eight dots, whatever its length, which a screen reader hears as words. */
export function HiddenValue(): ReactNode {
  return (
    <span className="font-mono text-muted">
      <span aria-hidden>••••••••</span>
      <span className="sr-only">hidden value</span>
    </span>
  );
}
