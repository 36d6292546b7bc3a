import { useSyncExternalStore, type ReactNode } from "react";

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

let offlineSince: Date | undefined;

/** Since when the browser has no network; undefined while it has one. Buttons that write are disabled then. */
function useOfflineSince(): Date | undefined {
  return useSyncExternalStore(subscribe, () => offlineSince);
}

export function OfflineLine(): ReactNode {
  const since = useOfflineSince();
  return (
    <div role="status">
      {since !== undefined && (
        <p className="border-b border-line bg-sunken px-4 py-1.5 text-center text-small text-muted">
          No connection since {clock.format(since)}. Nothing is lost; saving waits.
        </p>
      )}
    </div>
  );
}

function subscribe(listener: () => void): () => void {
  const look = (): void => {
    offlineSince = navigator.onLine ? undefined : (offlineSince ?? new Date());
    listener();
  };
  look();
  addEventListener("online", look);
  addEventListener("offline", look);
  return () => {
    removeEventListener("online", look);
    removeEventListener("offline", look);
  };
}
