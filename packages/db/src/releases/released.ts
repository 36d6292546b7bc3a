/** A release whose databases exist somewhere. Nothing in its entry changes any more, and no file that it names. */
export interface Release {
  readonly version: string;
  /** The commit that it was made of. */
  readonly commit: string;
  /** The migrations of this release that no earlier one has: SHA-256 of the file, by its name without `.sql`. */
  readonly migrations: Readonly<Record<string, string>>;
}

/** All releases, the first one first. Cutting a release adds one: CONTRIBUTING, "Cutting a release". */
export const releases = [
  {
    version: "0.1.0",
    commit: "05f1f986346dc16e4ce108b0abc04f1e156e8eed",
    migrations: { "0000_schema": "3fabc3f427e06d53acc997275a22fe62ba46148b7a6b8b4ac98f6a7e9763bfa6" },
  },
] as const satisfies readonly Release[];
