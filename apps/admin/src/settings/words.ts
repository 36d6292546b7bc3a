import type { ApiAnswers, Capabilities } from "@repo/tenant-secrets/client";

type Store = ApiAnswers["companies"]["settings"]["secretStore"];

export const storeWords: Readonly<Record<Store, { readonly label: string; readonly text: string }>> = {
  database: { label: "Database", text: "All values are in the database, encrypted." },
  infisical: { label: "Infisical", text: "All values are in a folder of Infisical." },
  hybrid: {
    label: "Database and Infisical",
    text: "Values are in the database, encrypted. One that is still in Infisical moves with its first read.",
  },
};

/** What a store can do for a person; the others concern programs. In the order of the page. */
export const abilityWords: readonly (readonly [ability: keyof Capabilities, words: string])[] = [
  ["history", "Lists every version of a secret"],
  ["stages", "Stages a next value, and keeps the old one valid for a while"],
  ["rollback", "Goes back to an earlier version"],
  ["recovery", "Restores a removed secret"],
  ["purge", "Destroys a removed secret before its time is over"],
  ["expiry", "Reminds of credentials that expire"],
  ["checks", "Stores what a provider says of a credential"],
  ["bulk", "Writes several secrets at once, all or none"],
  ["notes", "Stores why a value was changed"],
  ["rotation", "Rotates credentials with their providers"],
  ["surroundingWhiteSpace", "Stores values that begin or end with white space"],
];
