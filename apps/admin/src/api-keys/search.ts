/** Of `/api-keys/new`. `rotate` is the id of the key that the new one follows. */
export function readNewKeyParams({ rotate }: Readonly<Record<string, unknown>>): {
  readonly rotate?: string;
} {
  return typeof rotate === "string" ? { rotate } : {};
}
