/**
 * The listed secret key that a person most likely meant.
 *
 * @returns undefined where none is near: more than two characters, and more than a quarter of the listed one, differ
 */
export function nearestKey(secretKey: string, listed: readonly string[]): string | undefined {
  const nearest = listed
    .map((name) => ({ name, distance: editDistance(secretKey.toUpperCase(), name.toUpperCase()) }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  if (nearest === undefined || nearest.distance > Math.max(2, nearest.name.length / 4)) return undefined;
  return nearest.name;
}

/** Levenshtein's distance, for names of at most 100 characters. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
