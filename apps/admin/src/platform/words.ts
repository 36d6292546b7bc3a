import type { ApiAnswers } from "@repo/tenant-secrets/client";
import type { Tone } from "../ui/badge.tsx";

export type Company = ApiAnswers["companies"]["get"];

/** Where the secrets of a company live, in words. */
export const storeWords: Readonly<Record<Company["secretStore"], string>> = {
  database: "Database",
  infisical: "Infisical",
  hybrid: "Database and Infisical",
};

const statusWords: Readonly<Record<Company["status"], readonly [word: string, tone: Tone]>> = {
  active: ["Active", "neutral"],
  suspended: ["Suspended", "warn"],
  deleted: ["Deleted", "neutral"],
};

/** The state of a company in a word. A shredded one has no key any more, whatever its status is. */
export function stateOf({
  status,
  shreddedAt,
}: Pick<Company, "status" | "shreddedAt">): readonly [string, Tone] {
  return shreddedAt === undefined ? statusWords[status] : ["Shredded", "danger"];
}

/** @returns "1 member", "3 members"; "2 companies", with the word for several of them */
export function countOf(number: number, one: string, several = `${one}s`): string {
  return `${number.toLocaleString("en-GB")} ${number === 1 ? one : several}`;
}
