import type { ApiAnswers, ApiInputs } from "@repo/tenant-secrets/client";

export type ApiKey = ApiAnswers["companies"]["apiKeys"]["list"][number];
/** What a key may be allowed to do. */
export type KeyVerb = ApiInputs["companies"]["apiKeys"]["create"]["verbs"][number];

interface VerbWords {
  readonly label: string;
  readonly hint: string;
  /** In a list of what a key may do: "May read and list". */
  readonly short: string;
}

export const verbWords: Readonly<Record<KeyVerb, VerbWords>> = {
  use: { label: "Read values", hint: "What a program needs that uses a secret.", short: "read" },
  describe: {
    label: "See the list",
    hint: "Names, versions, expiries and results of checks, without a value.",
    short: "list",
  },
  write: { label: "Add and replace values", hint: "Also stages, promotes and rolls back.", short: "write" },
  delete: { label: "Remove secrets", hint: "They can be restored for a while.", short: "remove" },
  export: { label: "Export", hint: "All values that it covers, in one answer.", short: "export" },
};

export const keyVerbs = [
  "use",
  "describe",
  "write",
  "delete",
  "export",
] as const satisfies readonly KeyVerb[];

/** @returns "May read and list" */
export function inWords(verbs: readonly string[]): string {
  if (keyVerbs.every((verb) => verbs.includes(verb))) return "May do everything";
  const words = verbs.map((verb) => (isKeyVerb(verb) ? verbWords[verb].short : verb));
  return `May ${new Intl.ListFormat("en-GB").format(words)}`;
}

function isKeyVerb(verb: string): verb is KeyVerb {
  return Object.hasOwn(verbWords, verb);
}

/** What has become of a key. */
export type KeyState = "active" | "expired" | "revoked";

export function stateOf({ revokedAt, expiresAt }: ApiKey, now: number): KeyState {
  if (revokedAt !== undefined) return "revoked";
  return expiresAt.getTime() <= now ? "expired" : "active";
}
