/** What verification finds in the audit log, in rows and in heads of secrets. */
export type FindingKind =
  | "event-changed"
  | "event-not-genuine"
  | "event-removed"
  | "event-inserted"
  | "sequence-numbers-missing"
  | "batch-missing"
  | "batch-changed"
  | "chain-broken"
  | "signature-wrong"
  | "checkpoint-unknown"
  | "row-not-genuine"
  | "row-outdated"
  | "head-not-genuine"
  | "head-outdated"
  | "head-missing";

export interface Finding {
  readonly kind: FindingKind;
  readonly count: number;
  /** A sentence about the first. */
  readonly first: string;
}

export interface Findings {
  add(kind: FindingKind, sentence: string, count?: number): void;
  list(): Finding[];
}

export function createFindings(): Findings {
  const found = new Map<FindingKind, Finding>();
  return {
    add: (kind, sentence, count = 1) => {
      const known = found.get(kind);
      found.set(kind, { kind, count: (known?.count ?? 0) + count, first: known?.first ?? sentence });
    },
    list: () => [...found.values()],
  };
}
