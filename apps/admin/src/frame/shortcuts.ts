import { useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { useAccount } from "./account.ts";
import { companyPlaces } from "./places.ts";

/** After `g`, the place of the company that the second key opens. */
const placeKeys: Readonly<Record<string, string>> = {
  s: "/c/$company/secrets",
  r: "/c/$company/rotation",
  a: "/c/$company/audit-log",
  p: "/c/$company/people",
  k: "/c/$company/api-keys",
  w: "/c/$company/webhooks",
};

/** How long `g` waits for its second key, in milliseconds. */
const secondKeyMs = 1500;

/** What the list of shortcuts tells. */
export const shortcutList: readonly (readonly [keys: readonly string[], what: string])[] = [
  [["/"], "Search on this page"],
  [["n"], "New, on pages that make something"],
  [["↑", "↓"], "From row to row"],
  [["Enter"], "Open the row"],
  [["."], "The menu of the row"],
  [["v"], "Reveal or hide the value of an open secret"],
  [["c"], "Copy the value of an open secret"],
  [["?"], "This list"],
  [["Esc"], "Close, or hide"],
];

/** The label of the chord that opens the palette, on this machine. */
export const paletteKeys: readonly string[] = /mac|iphone|ipad/i.test(navigator.userAgent)
  ? ["⌘", "K"]
  : ["Ctrl", "K"];

/** Whether single keys do something in this browser. The palette and Esc are there in any case. */
export function shortcutsChoice(): boolean {
  return localStorage.getItem("shortcuts") !== "off";
}

export function chooseShortcuts(on: boolean): void {
  localStorage.setItem("shortcuts", on ? "on" : "off");
}

type OpenPlace = (typeof companyPlaces)[number] & { readonly key: string | undefined };

/** The places of the open company that a person's role sees, with the key that opens each after `g`. */
export function usePlaces(): readonly OpenPlace[] {
  const { companies } = useAccount();
  const { company } = useParams({ strict: false });
  const open = companies.find(({ subdomain, suspended }) => subdomain === company && !suspended);
  if (open === undefined) return [];
  return companyPlaces
    .filter(({ verb }) => open.verbs.includes(verb))
    .map((place) => ({
      ...place,
      key: Object.keys(placeKeys).find((key) => placeKeys[key] === place.to),
    }));
}

/**
 * Hears the keys of the page. ⌘K and Ctrl K open the palette everywhere. Single keys count outside fields and dialogs, and can be
 * switched off: an element of the page takes one by `aria-keyshortcuts`, and is clicked, or gets the focus where it is a field.
 */
export function useShortcuts(open: { readonly palette: () => void; readonly list: () => void }): void {
  const places = usePlaces();
  const { company } = useParams({ strict: false });
  const navigate = useNavigate();
  const goAt = useRef(0);

  useEffect(() => {
    const heard = (event: KeyboardEvent): void => {
      const { key, metaKey, ctrlKey, altKey } = event;
      if (event.defaultPrevented || event.isComposing) return;
      if (key.toLowerCase() === "k" && (metaKey || ctrlKey) && !altKey) {
        event.preventDefault();
        open.palette();
        return;
      }
      if (metaKey || ctrlKey || altKey || !shortcutsChoice() || isTaken(event.target)) return;
      const isSecond = event.timeStamp - goAt.current < secondKeyMs;
      goAt.current = key === "g" && !isSecond ? event.timeStamp : 0;
      const place = isSecond ? places.find((each) => each.key === key) : undefined;
      if (place !== undefined && company !== undefined) {
        event.preventDefault();
        void navigate({ to: place.to, params: { company } });
      } else if (key === "?") {
        event.preventDefault();
        open.list();
      } else if (act(key)) event.preventDefault();
    };
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  });
}

/** Whether keys belong to what has the focus, or to a dialog or menu that is open. */
function isTaken(target: EventTarget | null): boolean {
  if (document.querySelector("[role=dialog], [role=alertdialog], [role=menu]") !== null) return true;
  return (
    target instanceof Element &&
    target.closest("input, textarea, select, [contenteditable], [role=listbox]") !== null
  );
}

/** @returns whether the page has something for the key */
function act(key: string): boolean {
  const main = document.querySelector("main");
  if (main === null) return false;
  if (key === "ArrowDown" || key === "ArrowUp") return enterRows(main, key);
  if (key === ".") return openMenu(document.activeElement?.closest("[data-row]"));
  if (!/^[a-z/]$/.test(key)) return false;
  const target =
    [...main.querySelectorAll<HTMLElement>(`[aria-keyshortcuts~="${key}"]`)].find((each) =>
      each.checkVisibility(),
    ) ?? (key === "/" ? main.querySelector<HTMLElement>("input[type=search]") : null);
  if (target === null) return false;
  if (target instanceof HTMLInputElement) {
    target.focus();
    target.select();
  } else target.click();
  return true;
}

/** From outside the rows to the first or last of them. Inside, the table moves the focus. */
function enterRows(main: HTMLElement, key: "ArrowDown" | "ArrowUp"): boolean {
  const focused = document.activeElement;
  if (focused !== null && focused !== document.body && focused.matches("a, button, summary, [tabindex='0']"))
    return false;
  const rows = [...main.querySelectorAll("[data-row]")];
  const link = (key === "ArrowDown" ? rows[0] : rows.at(-1))?.querySelector<HTMLElement>("a, button");
  link?.focus();
  return link !== null && link !== undefined;
}

function openMenu(row: Element | null | undefined): boolean {
  const button = row?.querySelector<HTMLElement>("[aria-haspopup=menu]");
  if (button === null || button === undefined) return false;
  // A menu opens at a press, not at a click.
  button.focus();
  button.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  return true;
}
