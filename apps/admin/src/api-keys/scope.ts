import { patternCovers, secretKeyPattern } from "@repo/tenant-secrets/files";

/** How the secret keys of an API key are chosen. */
export type ScopeKind = "picked" | "patterns" | "all";

/** What a person has chosen so far. */
export interface Scope {
  readonly kind: ScopeKind;
  readonly picked: readonly string[];
  /** As typed: "STRIPE_*, SENDGRID_API_KEY". */
  readonly patterns: string;
}

/** @returns the patterns that the server takes */
export function patternsOf({ kind, picked, patterns }: Scope): readonly string[] {
  if (kind === "all") return ["*"];
  return kind === "picked" ? picked : wordsOf(patterns);
}

/** @returns what is wrong with the scope; undefined: nothing */
export function scopeError(scope: Scope): string | undefined {
  const patterns = patternsOf(scope);
  if (patterns.length === 0) return scope.kind === "picked" ? "Pick at least one." : "Enter at least one.";
  const wrong = patterns.find((pattern) => !secretKeyPattern.test(pattern));
  if (wrong === undefined) return undefined;
  return `“${wrong}” is neither a secret key nor the beginning of one with * at its end.`;
}

/** @returns those of the secret keys that a pattern covers */
export function coveredBy(patterns: readonly string[], secretKeys: readonly string[]): readonly string[] {
  return secretKeys.filter((secretKey) => patterns.some((pattern) => patternCovers(pattern, secretKey)));
}

/** Words between commas, spaces and ends of lines. */
export function wordsOf(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}
