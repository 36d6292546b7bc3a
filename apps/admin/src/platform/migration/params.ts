const names = ["company", "verb", "store", "state", "after"] as const;

/** What the URL keeps of a page of migrations: names alone, which the page checks. Read in the first load, so that it is short. */
export type MigrationParams = { readonly [Name in (typeof names)[number]]?: string };

export function readMigrationParams(search: Readonly<Record<string, unknown>>): MigrationParams {
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = search[name];
      return typeof text === "string" ? [[name, text.slice(0, 100)]] : [];
    }),
  );
}
