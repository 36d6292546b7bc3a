import { useRouter } from "@tanstack/react-router";
import { useCallback, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useTRPCClient } from "../api.ts";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";
import type { Purpose } from "../frame/purpose-field.tsx";

/** How long a value is shown, and how long after the window lost the focus, in milliseconds. */
export const shownMs = 30_000;
const shownWithoutFocusMs = 10_000;

interface Shown {
  readonly value: string;
  /** When it is hidden by itself. */
  readonly until: number;
}

interface Revealed {
  /** Undefined while it is hidden: then the page has it nowhere. */
  readonly shown: Shown | undefined;
  readonly isBusy: boolean;
  readonly error: unknown;
  readonly show: (purpose: Purpose) => Promise<void>;
  /** Asks for the value for as long as `use` takes, and shows it not. From what is shown already it asks nothing. */
  readonly borrow: (purpose: Purpose | undefined, use: (value: string) => Promise<void>) => Promise<void>;
  readonly hide: () => void;
}

/**
 * The one place of the page that holds a value of a secret: the state of the component that calls this, for 30 seconds at most.
 * It is hidden earlier by Esc, when the component goes, the page is hidden, printed, saved or left, the session ends, or the
 * window was without the focus for 10 seconds.
 */
export function useRevealed(company: string, secretKey: string): Revealed {
  const client = useTRPCClient();
  const withConfirmation = useConfirmation();
  const { session } = useRouter().options.context;
  const [shown, setShown] = useState<Shown>();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const isThere = useRef(true);
  useEffect(() => {
    isThere.current = true;
    return () => void (isThere.current = false);
  }, []);

  const hide = useCallback(() => setShown(undefined), []);
  useHiding(shown?.until, hide);

  /** What was true when it was asked for need not be true when the answer comes. */
  const mayShow = (): boolean =>
    isThere.current && document.visibilityState === "visible" && session.state() === "open";

  const ask = async (purpose: Purpose, take: (value: string) => Promise<void> | void): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const { value } = await withConfirmation(
        () => client.secrets.reveal.mutate({ company, secretKey, purpose }),
        "Revealing needs a recent sign-in.",
      );
      if (mayShow()) await take(value);
    } catch (failure) {
      if (!(failure instanceof ConfirmationDeclined)) setError(failure);
    } finally {
      setBusy(false);
    }
  };

  return {
    shown,
    isBusy,
    error,
    show: (purpose) => ask(purpose, (value) => setShown({ value, until: Date.now() + shownMs })),
    borrow: async (purpose, use) => {
      if (shown !== undefined) await use(shown.value);
      else if (purpose !== undefined) await ask(purpose, use);
    },
    hide,
  };
}

/** Hides what is shown until then, in the moment that one of the events comes. */
function useHiding(until: number | undefined, hide: () => void): void {
  const { session } = useRouter().options.context;
  useEffect(() => {
    if (until === undefined) return;
    const hideNow = (): void => flushSync(hide);
    const timer = setTimeout(hideNow, until - Date.now());
    let withoutFocus: ReturnType<typeof setTimeout> | undefined;
    const pressed = (event: KeyboardEvent): void => {
      // Before the browser saves or prints the page.
      if ((event.ctrlKey || event.metaKey) && /^[sp]$/i.test(event.key)) hideNow();
      if (event.key !== "Escape") return;
      // Of what Esc would close besides, nothing is.
      event.preventDefault();
      hideNow();
    };
    const left = (): void => {
      clearTimeout(withoutFocus);
      withoutFocus = setTimeout(hideNow, shownWithoutFocusMs);
    };
    const returned = (): void => clearTimeout(withoutFocus);
    const changed = (): void => {
      if (document.visibilityState !== "visible") hideNow();
    };
    addEventListener("pagehide", hideNow);
    addEventListener("beforeprint", hideNow);
    addEventListener("blur", left);
    addEventListener("focus", returned);
    addEventListener("keydown", pressed, { capture: true });
    document.addEventListener("visibilitychange", changed);
    const stop = session.subscribe(() => {
      if (session.state() !== "open") hideNow();
    });
    return () => {
      clearTimeout(timer);
      clearTimeout(withoutFocus);
      removeEventListener("pagehide", hideNow);
      removeEventListener("beforeprint", hideNow);
      removeEventListener("blur", left);
      removeEventListener("focus", returned);
      removeEventListener("keydown", pressed, { capture: true });
      document.removeEventListener("visibilitychange", changed);
      stop();
    };
  }, [until, hide, session]);
}
