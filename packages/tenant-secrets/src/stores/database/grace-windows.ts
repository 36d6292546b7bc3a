import { sql } from "drizzle-orm";
import { maxGraceWindows, tables, type GraceWindow } from "@repo/db";
import { z } from "zod";
import { type GraceOptions, TenantSecretsError } from "@repo/catalog";
import { integrityFailure } from "@repo/envelope";
import type { Head } from "./secret-head.ts";

const { companySecrets, companySecretVersions } = tables;

const GraceWindows = z.array(z.strictObject({ version: z.int().min(1), until: z.iso.datetime() }));

/**
 * The grace windows of a head whose current version is replaced: those that last, and that version's own where it gets one.
 * A window that was promised outlives later changes. A secret that was removed, or never here, has none.
 *
 * @returns the one that was replaced last first
 * @throws {TenantSecretsError} CONFLICT where as many earlier versions are active as can be; INTEGRITY_FAILURE where the head's are
 *   not of the form that is written here
 */
export function nextGraceWindows(
  head: Head | undefined,
  { graceSeconds = 0, endGrace = false }: GraceOptions,
): readonly GraceWindow[] {
  if (head === undefined || head.deletedAt !== null || head.currentVersion === null) return [];
  const windows = endGrace ? [] : openGraceWindows(head);
  if (graceSeconds === 0) return windows;
  if (windows.length >= maxGraceWindows) throw tooMany(head.currentVersion, windows);
  const until = new Date(head.now.getTime() + graceSeconds * 1000).toISOString();
  return [{ version: head.currentVersion, until }, ...windows];
}

function openGraceWindows({ graceWindows, now }: Head): readonly GraceWindow[] {
  const windows = GraceWindows.safeParse(graceWindows);
  if (!windows.success) throw integrityFailure();
  return windows.data.filter(({ until }) => Date.parse(until) > now.getTime());
}

function tooMany(currentVersion: number, windows: readonly GraceWindow[]): TenantSecretsError {
  const versions = windows.map(({ version }) => version).join(", ");
  const [first] = windows.map(({ until }) => until).toSorted();
  return new TenantSecretsError(
    "CONFLICT",
    `Versions ${versions} still count in their grace windows, and no more than ${maxGraceWindows} earlier versions can: the first window ends at ${first}. Write without a grace window, wait, or end the windows that are open.`,
    { currentVersion },
  );
}

/** When the open grace window of a version ends; null where it has none. For a head joined with its versions. */
export const graceUntil = sql<string | null>`(
  select w.until from jsonb_to_recordset(${companySecrets.graceWindows}) as w(version integer, until timestamptz)
  where w.version = ${companySecretVersions.version} and w.until > now())`;

/** When the last of a head's open grace windows ends; null where none is open. */
export const latestGraceUntil = sql<string | null>`(
  select max(w.until) from jsonb_to_recordset(${companySecrets.graceWindows}) as w(version integer, until timestamptz)
  where w.until > now())`;

/** The place of a version's window in its head: the one that was replaced last has 1. */
export const gracePlace = sql<string | null>`(
  select w.place from jsonb_array_elements(${companySecrets.graceWindows}) with ordinality as w(each, place)
  where w.each->'version' = to_jsonb(${companySecretVersions.version}))`;

/** Whether a version is a previous one inside its grace window. */
export const isPrevious = sql`${graceUntil} is not null`;
