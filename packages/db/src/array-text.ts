/**
 * An array as PostgreSQL reads it (its manual, 8.15.2). JSON quotes a text in the same way, but for control characters.
 *
 * @param elements texts without control characters
 */
export function arrayText(elements: readonly (string | number | null)[]): string {
  return `{${elements.map((element) => (element === null ? "NULL" : JSON.stringify(element))).join(",")}}`;
}
