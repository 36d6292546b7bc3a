import { entryOf, type CatalogDescription, type EntryDescription } from "../frame/catalog.ts";
import type { SecretDescription, SecretList } from "./form-catalog.ts";
import type { Shown } from "./list-search.ts";

/** What a provider says of the current version; `never` where it was not asked yet, `none` where there is none to ask. */
export type Health = "accepted" | "rejected" | "unknown" | "never" | "none";

/** A secret that there is, with what the catalogue says of it. */
export interface SecretRow extends SecretDescription {
  readonly health: Health;
  readonly purpose: string | undefined;
}

/** A secret of the catalogue that the company does not have. */
export interface MissingRow {
  readonly secretKey: string;
  readonly label: string;
  readonly purpose: string | undefined;
}

export interface ListRows {
  readonly set: readonly SecretRow[];
  readonly missing: readonly MissingRow[];
  /** In Infisical, under names that the catalogue does not have: they are neither read nor written here. */
  readonly unlisted: readonly SecretDescription[];
}

/** A credential that ends within so many days is about to expire. */
const expiringDays = 30;

export function rowsOf({ secrets }: SecretList, catalog: CatalogDescription): ListRows {
  const found = new Set(secrets.map(({ secretKey }) => secretKey));
  return {
    set: secrets
      .filter(({ inCatalog }) => inCatalog)
      .map((secret) => {
        const entry = entryOf(catalog, secret.secretKey);
        return { ...secret, health: healthOf(secret, entry), purpose: entry?.purpose };
      }),
    missing: catalog.secrets
      .filter(({ secretKey }) => !found.has(secretKey))
      .map(({ secretKey, label, purpose }) => ({ secretKey, label, purpose })),
    unlisted: secrets.filter(({ inCatalog }) => !inCatalog),
  };
}

export function healthOf(
  { check, location }: SecretDescription,
  entry: EntryDescription | undefined,
): Health {
  if (check !== undefined) return check.result;
  // Infisical stores none.
  return entry?.check === undefined || location === "infisical" ? "none" : "never";
}

const isShown: Readonly<Record<Exclude<Shown, "set" | "missing">, (row: SecretRow) => boolean>> = {
  rejected: ({ health }) => health === "rejected",
  expiring: ({ expiresInDays }) => expiresInDays !== undefined && expiresInDays <= expiringDays,
  pending: ({ pendingVersion }) => pendingVersion !== undefined,
};

/** How many secrets each filter shows. */
export function countsOf({ set, missing }: ListRows): Readonly<Record<Shown, number>> {
  const count = (shown: keyof typeof isShown) => set.filter(isShown[shown]).length;
  return {
    set: set.length,
    missing: missing.length,
    rejected: count("rejected"),
    expiring: count("expiring"),
    pending: count("pending"),
  };
}

/** @param q what a secret's name, label, purpose or hint has in it, whatever the case; every word of it counts */
export function filterRows(rows: ListRows, q: string, shown: Shown | undefined): ListRows {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (row: MissingRow | SecretRow | SecretDescription): boolean => {
    const text = [
      row.secretKey,
      row.label,
      "purpose" in row ? row.purpose : undefined,
      "lastFour" in row ? row.lastFour : undefined,
    ]
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return {
    set:
      shown === "missing"
        ? []
        : rows.set.filter(
            (row) => matches(row) && (shown === undefined || shown === "set" || isShown[shown](row)),
          ),
    missing: shown === undefined || shown === "missing" ? rows.missing.filter(matches) : [],
    unlisted: shown === undefined ? rows.unlisted.filter(matches) : [],
  };
}

/** Whether a text can be a value: then it is not kept in the address of the page. */
export function looksLikeValue(text: string, { secrets }: CatalogDescription): boolean {
  return (
    text.length > longestSearch || secrets.some(({ schema }) => patternOf(schema)?.test(text.trim()) === true)
  );
}

/** No word of the catalogue is as long; many keys are. */
const longestSearch = 60;

function patternOf({ pattern }: Readonly<Record<string, unknown>>): RegExp | undefined {
  return typeof pattern === "string" ? new RegExp(pattern) : undefined;
}
