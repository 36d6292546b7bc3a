import { useEffect, useEffectEvent, useState } from "react";
import { suggestedPasskey } from "./requests.ts";

/** The server takes the answer to a challenge for five minutes. */
const renewedAfterMs = 4 * 60_000;

/**
 * Has the browser offer passkeys among its suggestions for the e-mail field, whose `autocomplete` ends with `webauthn`.
 *
 * @param isOffered false while something else is tried: a browser asks for one passkey at a time
 */
export function useSuggestedPasskeys(isOffered: boolean, onChosen: (passkey: object) => void): void {
  const [round, setRound] = useState(0);
  const chosen = useEffectEvent(onChosen);
  useEffect(() => {
    if (!isOffered) return;
    const controller = new AbortController();
    const { signal } = controller;
    const wait = async (): Promise<void> => {
      const passkey = await suggestedPasskey(signal);
      if (passkey !== undefined && !signal.aborted) chosen(passkey);
    };
    void wait();
    const timer = setInterval(() => {
      // A page that is not looked at asks the server for nothing.
      if (document.visibilityState === "visible") setRound(round + 1);
    }, renewedAfterMs);
    return () => {
      clearInterval(timer);
      controller.abort();
    };
  }, [isOffered, round]);
}
