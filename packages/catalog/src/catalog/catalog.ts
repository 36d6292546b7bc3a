import { z } from "zod";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { SecretKey } from "../vocabulary/names.ts";
import { customKey, customSecret } from "./custom.ts";
import type { CatalogEntry } from "./entry.ts";
import { nearestKey } from "./nearest-key.ts";

type Entries = Readonly<Record<string, CatalogEntry>>;

/** The secrets that a product knows: the one source of names, types, checks and labels. */
export interface Catalog<E extends Entries = Entries> {
  readonly entries: E;
  /** @returns what the catalogue says of a secret key, `CUSTOM_…` included; undefined for one that is not listed */
  find(secretKey: string): CatalogEntry | undefined;
  /** @throws {TenantSecretsError} UNKNOWN_SECRET_KEY, with the nearest listed one where there is one */
  get(secretKey: string): CatalogEntry;
}

/** The secret keys that `get` and `set` take at compile time. */
export type SecretKeyOf<C extends Catalog> = (keyof C["entries"] & string) | `CUSTOM_${string}`;

/** What the value of a secret key is: a string, or what its entry's schema makes. */
export type ValueOf<C extends Catalog, K extends SecretKeyOf<C>> = K extends keyof C["entries"]
  ? C["entries"][K] extends CatalogEntry<infer Value>
    ? Value
    : never
  : string;

/**
 * @param entries secret keys and their entries; `CUSTOM_…` needs none
 * @throws {TypeError} when a secret key has a form that no store accepts, or a `docsUrl` is no address with https
 */
export function defineCatalog<const E extends Entries>(entries: E): Catalog<E> {
  const listed = new Map<string, CatalogEntry>(Object.entries(entries));
  for (const [secretKey, { docsUrl }] of listed) {
    if (!SecretKey.safeParse(secretKey).success) throw new TypeError(`${secretKey} cannot be a secret key`);
    // Pages make a link of it: any other scheme could run as code there.
    if (docsUrl !== undefined && !(URL.canParse(docsUrl) && new URL(docsUrl).protocol === "https:")) {
      throw new TypeError(`The docsUrl of ${secretKey} is not an address with https`);
    }
  }
  const find = (secretKey: string): CatalogEntry | undefined => {
    return listed.get(secretKey) ?? (customKey.test(secretKey) ? customSecret : undefined);
  };
  return {
    entries,
    find,
    get: (secretKey) => {
      const entry = find(secretKey);
      if (entry !== undefined) return entry;
      throw unknownSecretKey(secretKey, [...listed.keys()]);
    },
  };
}

const isFunction = (value: unknown): boolean => typeof value === "function";

/** What {@link Catalog} needs of an entry; the rest is optional, or made by `textSecret` and `jsonSecret`. */
const EntryShape = z.looseObject({
  label: z.string(),
  rule: z.string(),
  format: z.enum(["text", "json"]),
  schema: z.looseObject({ safeParse: z.custom(isFunction) }),
});

const CatalogShape = z.looseObject({
  entries: z.record(z.string(), EntryShape),
  find: z.custom(isFunction),
  get: z.custom(isFunction),
});

/**
 * Whether something that a module exports is a catalogue. By its shape, since the module may have a copy of `defineCatalog`
 * of its own.
 */
export function isCatalog(exported: unknown): exported is Catalog {
  return CatalogShape.safeParse(exported).success;
}

function unknownSecretKey(secretKey: string, listed: readonly string[]): TenantSecretsError {
  if (!SecretKey.safeParse(secretKey).success) {
    return new TenantSecretsError(
      "UNKNOWN_SECRET_KEY",
      "A secret key is a letter, then up to 99 letters, digits or underscores, such as STRIPE_SECRET_KEY.",
    );
  }
  const nearest = nearestKey(secretKey, listed);
  const hint =
    nearest === undefined
      ? "add it to the catalogue, or give it a name that begins with CUSTOM_."
      : `did you mean ${nearest}?`;
  // A value that is passed in place of a name must not reach a log: values have lower case in them.
  const shown = /[a-z]/.test(secretKey) ? "This secret key" : secretKey;
  return new TenantSecretsError("UNKNOWN_SECRET_KEY", `${shown} is not in the catalogue: ${hint}`);
}
