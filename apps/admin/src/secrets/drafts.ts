import { useSyncExternalStore } from "react";
import { otherPerson } from "../frame/session.ts";

/** What a person typed and has not saved. It is in memory alone, in no storage, and outlives panels, pages and sign-in. */
export interface Draft {
  /** Of this content: the same for each time that it is sent, so that it is applied once. */
  readonly requestId: string;
  /** The version that the person saw when they began, 0 for none. */
  readonly base: number;
  /** The value by its fields. A value that is no object has one, with an empty name. */
  readonly parts: Readonly<Record<string, string>>;
  /** Whether a line break at the end belongs to the value. Undefined until the person was asked. */
  readonly keepsLineBreak?: boolean;
  readonly note: string;
  /** For how many seconds the replaced value stays active. Counted when it was chosen: sent again, it has to be the same. */
  readonly graceSeconds: number;
  /** A local date, or "" for none. */
  readonly expires: string;
  readonly check: boolean;
  readonly stage: boolean;
}

export type DraftContent = Omit<Draft, "requestId">;

/** Things that are not saved yet, by company and name. */
interface Unsaved<Thing> {
  readonly find: (company: string, name: string) => Thing | undefined;
  /** Null takes it away. */
  readonly set: (company: string, name: string, thing: Thing | null) => void;
  /** The names of a company's, sorted. The same array until they change. */
  readonly names: (company: string) => readonly string[];
  readonly clear: () => void;
  readonly subscribe: (listener: () => void) => () => void;
}

const none: readonly string[] = [];

/** @param onCount is told how many there are, when that changes */
export function createUnsaved<Thing>(onCount: (count: number) => void = () => undefined): Unsaved<Thing> {
  const things = new Map<string, Map<string, Thing>>();
  const listeners = new Set<() => void>();
  let names = new Map<string, readonly string[]>();
  const changed = (): void => {
    names = new Map(
      [...things]
        .filter(([, of]) => of.size > 0)
        .map(([company, of]) => [company, [...of.keys()].toSorted()]),
    );
    onCount([...things.values()].reduce((count, of) => count + of.size, 0));
    for (const listener of listeners) listener();
  };
  return {
    find: (company, name) => things.get(company)?.get(name),
    set: (company, name, thing) => {
      const of = things.get(company) ?? new Map<string, Thing>();
      things.set(company, of);
      const isNew = !of.has(name);
      if (thing === null) of.delete(name);
      else of.set(name, thing);
      if (thing === null ? !isNew : isNew) changed();
      else for (const listener of listeners) listener();
    },
    names: (company) => names.get(company) ?? none,
    clear: () => {
      things.clear();
      changed();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

const counts = new Map<string, number>();

function askBeforeUnload(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

/** While something is not saved, the browser asks before it closes the page or loads another one. */
function guardUnload(kind: string): (count: number) => void {
  return (count) => {
    counts.set(kind, count);
    if ([...counts.values()].some((each) => each > 0)) {
      addEventListener("beforeunload", askBeforeUnload);
      addEventListener(otherPerson, forgetDrafts);
    } else {
      removeEventListener("beforeunload", askBeforeUnload);
      removeEventListener(otherPerson, forgetDrafts);
    }
  };
}

/** Another person at the same page finds nothing of the one before. */
function forgetDrafts(): void {
  drafts.clear();
  importTexts.clear();
}

/** Values that are being entered, by secret key. */
export const drafts = createUnsaved<Draft>(guardUnload("values"));

/** A file that is being imported; its one name is "". */
export const importTexts = createUnsaved<string>(guardUnload("files"));

export function useDraft(company: string, secretKey: string): Draft | undefined {
  return useSyncExternalStore(drafts.subscribe, () => drafts.find(company, secretKey));
}

/** The secret keys of a company that have a draft: a list marks them with a dot. */
export function useDraftKeys(company: string): readonly string[] {
  return useSyncExternalStore(drafts.subscribe, () => drafts.names(company));
}

export function useImportText(company: string): string {
  return useSyncExternalStore(importTexts.subscribe, () => importTexts.find(company, "")) ?? "";
}
