/** Whether the person of this page is signed in. `ended` is a session that was there: the page stays, under a dialog. */
export type SessionState = "none" | "open" | "ended";

/** An event of the window: another person than before has signed in to this page, and is about to leave it. */
export const otherPerson = "other-person";

/** The state of the session in this page, told to the other tabs. */
export interface SessionSignal {
  readonly state: () => SessionState;
  /** The server knows the person. */
  readonly opened: () => void;
  /** The server knows no person, or the session was left alone for too long. No effect before `opened`. */
  readonly ended: () => void;
  /** @returns how to stop listening */
  readonly subscribe: (listener: () => void) => () => void;
}

/** @param channel joins the tabs of one browser: a sign-out in one of them ends the others at once */
export function createSessionSignal(channel: BroadcastChannel): SessionSignal {
  let state: SessionState = "none";
  const listeners = new Set<() => void>();
  const become = (next: SessionState): void => {
    if (state === next) return;
    state = next;
    for (const listener of listeners) listener();
  };
  channel.addEventListener("message", ({ data }) => {
    if (data === "ended" && state === "open") become("ended");
  });
  return {
    state: () => state,
    opened: () => become("open"),
    ended: () => {
      if (state !== "open") return;
      become("ended");
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is of one origin, and takes none
      channel.postMessage("ended");
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
