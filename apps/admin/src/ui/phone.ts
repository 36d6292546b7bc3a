import { useSyncExternalStore } from "react";

const phone = "(width < 640px)";

/** Whether the window is as narrow as a phone. For what is built otherwise there; for looks there is `max-tablet:`. */
export function usePhone(): boolean {
  return useSyncExternalStore(subscribe, () => matchMedia(phone).matches);
}

function subscribe(listener: () => void): () => void {
  const query = matchMedia(phone);
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
}
