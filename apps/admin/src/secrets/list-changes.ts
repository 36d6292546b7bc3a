import { useState } from "react";
import type { SecretDescription } from "./form-catalog.ts";

/**
 * Who else changed a secret while the list was open, by its secret key. One's own changes are none: one knows them.
 *
 * @param userId of the person in front of the page
 */
export function useChangesByOthers(
  secrets: readonly SecretDescription[],
  userId: string,
): ReadonlyMap<string, string> {
  const [first] = useState(() => new Map(secrets.map((secret) => [secret.secretKey, stateOf(secret)])));
  return new Map(
    secrets
      .filter(({ updatedBy }) => updatedBy !== undefined && updatedBy.id !== userId)
      .filter((secret) => first.get(secret.secretKey) !== stateOf(secret))
      .map(({ secretKey, updatedBy }) => [secretKey, updatedBy?.name ?? updatedBy?.id ?? ""]),
  );
}

function stateOf({ version, updatedAt }: SecretDescription): string {
  return `${version} ${updatedAt.getTime()}`;
}
