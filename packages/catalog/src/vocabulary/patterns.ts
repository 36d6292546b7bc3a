/** The form of a pattern of secret keys: one of them, or all with a prefix: `STRIPE_SECRET_KEY`, `STRIPE_*`, `*`. Case matters. */
export const secretKeyPattern = /^(?:\*|[A-Za-z][A-Za-z0-9_]{0,98}\*|[A-Za-z][A-Za-z0-9_]{0,99})$/;

/** Whether `pattern`, which has the form of a {@link secretKeyPattern}, covers `secretKey`. */
export function patternCovers(pattern: string, secretKey: string): boolean {
  return pattern.endsWith("*") ? secretKey.startsWith(pattern.slice(0, -1)) : pattern === secretKey;
}
