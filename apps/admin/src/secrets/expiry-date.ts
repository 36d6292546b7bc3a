/** The time that a field for days says: its local midnight. @returns undefined for an empty field */
export function expiryOf(day: string): Date | undefined {
  const at = new Date(`${day}T00:00`);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** The local day of a time, as a field for days has it: 2026-11-29. */
export function dayOfExpiry(at: Date): string {
  const two = (part: number): string => String(part).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
