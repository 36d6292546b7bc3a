/** The version of the tables and of the rules around them, and what works with it. */
export interface SchemaVersion {
  readonly version: number;
  /** Programs that were made for this version, or a later one, work with these tables. */
  readonly oldest: number;
  /** The release that brought it. */
  readonly release: string;
}

/** A release whose databases exist somewhere. Nothing in its entry changes any more, and no file that it names. */
interface Release {
  /** The commit that it was made of. */
  readonly commit: string;
  readonly schema: SchemaVersion;
  /** The migrations of this release that no earlier one has: SHA-256 of the file, by its name without `.sql`. */
  readonly migrations: Readonly<Record<string, string>>;
  /** SHA-256 of the files in `sql/`, as `readRules` joins them. */
  readonly rules: string;
}

/** All releases, the first one first. Cutting a release adds one: CONTRIBUTING, "Cutting a release". */
export const releases = [
  {
    commit: "05f1f986346dc16e4ce108b0abc04f1e156e8eed",
    schema: { version: 1, oldest: 1, release: "0.1.0" },
    migrations: { "0000_schema": "3fabc3f427e06d53acc997275a22fe62ba46148b7a6b8b4ac98f6a7e9763bfa6" },
    rules: "a48a797ca61cfed6c089aa2701882ada2f73960228f003f183de1d9f16bd0c03",
  },
] as const satisfies readonly Release[];

/**
 * What this program was made for, and what its migration brings. `oldest` rises where a migration contracts: docs/upgrades.md.
 */
export const ownSchema: SchemaVersion = { version: 2, oldest: 1, release: "0.2.0" };
