import type { Catalog } from "../catalog/catalog.ts";
import { checkValueText } from "../catalog/value.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import type { FileEntry } from "./file-text.ts";

/** What an import would do with one entry of a file. Never the value. */
export type PlannedEntry = { readonly line: number } & (
  | { readonly change: "added" | "changed" | "unchanged"; readonly secretKey: string }
  | {
      readonly change: "refused";
      /** Left out where the catalogue does not know it: it may be a value, in the wrong place. */
      readonly secretKey?: string;
      readonly error: TenantSecretsError;
    }
);

/** How a value stands to the one that is current now. */
export type Comparison = "absent" | "same" | "different";

/**
 * What an import would change, by secret key, and what it rejects and why; entries without a known secret key come last.
 * Nothing may be written while an entry is rejected. "Unchanged" tells the sender that the current value is the sent one, so
 * the caller needs the right to write, and the comparison is audited.
 *
 * @param compare asked once for each entry that is in order; its {@link TenantSecretsError} rejects the entry
 */
export function planImport(
  catalog: Catalog,
  entries: readonly FileEntry[],
  compare: (secretKey: string, text: string) => Comparison,
): readonly PlannedEntry[] {
  const seen = new Set<string>();
  return entries.map(planned).toSorted((a, b) => order(a, b));

  function planned({ secretKey, text, line }: FileEntry): PlannedEntry {
    try {
      checkValueText(catalog, secretKey, text);
      if (seen.has(secretKey)) {
        throw new TenantSecretsError("INVALID_INPUT", `${secretKey} is there more than once.`);
      }
      seen.add(secretKey);
      return { line, secretKey, change: changes[compare(secretKey, text)] };
    } catch (error) {
      if (!(error instanceof TenantSecretsError)) throw error;
      const known = catalog.find(secretKey) !== undefined;
      return { line, change: "refused", error, ...(known ? { secretKey } : {}) };
    }
  }
}

const changes = { absent: "added", same: "unchanged", different: "changed" } as const;

function order(a: PlannedEntry, b: PlannedEntry): number {
  if (a.secretKey === b.secretKey) return a.line - b.line;
  if (a.secretKey === undefined) return 1;
  if (b.secretKey === undefined) return -1;
  return a.secretKey < b.secretKey ? -1 : 1;
}
