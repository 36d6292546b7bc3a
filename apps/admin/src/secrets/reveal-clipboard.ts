import { useSyncExternalStore } from "react";

/** How long a copied value stays in the clipboard, where the page may take it away again, in milliseconds. */
const copiedMs = 30_000;

/** A value that this page put into the clipboard. The value itself is not here. */
export interface Copied {
  /** Of which secret. */
  readonly name: string;
  readonly until: number;
  /** Whether the time is over, and the value may be there still: the page was left meanwhile. */
  readonly isOverdue: boolean;
}

let copied: Copied | undefined;
let stop = (): void => {};
const listeners = new Set<() => void>();

function become(next: Copied | undefined): void {
  copied = next;
  for (const listener of listeners) listener();
}

/** What this page put into the clipboard last, and has not taken away; undefined if that is not of `name`. */
export function useCopied(name: string): Copied | undefined {
  const last = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    () => copied,
  );
  return last?.name === name ? last : undefined;
}

/**
 * Puts a value into the clipboard, as a click asked for, and empties it after 30 seconds: but only if the person stayed on the
 * page, as by then something else may be in it. Reading it would need a permission.
 *
 * @throws {DOMException} where the browser does not allow it
 */
export async function copyValue(name: string, value: string): Promise<void> {
  await navigator.clipboard.writeText(value);
  stop();
  let wasLeft = false;
  const leave = (): void => {
    wasLeft = true;
  };
  addEventListener("blur", leave);
  document.addEventListener("visibilitychange", leave);
  const timer = setTimeout(() => {
    if (wasLeft || !document.hasFocus()) become({ name, until: 0, isOverdue: true });
    else void clearClipboard();
  }, copiedMs);
  stop = () => {
    clearTimeout(timer);
    removeEventListener("blur", leave);
    document.removeEventListener("visibilitychange", leave);
  };
  become({ name, until: Date.now() + copiedMs, isOverdue: false });
}

export async function clearClipboard(): Promise<void> {
  stop();
  await navigator.clipboard.writeText("");
  become(undefined);
}
