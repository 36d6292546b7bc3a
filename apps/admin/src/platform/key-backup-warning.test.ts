import { expect, test } from "vitest";
import { warningOf, type KeyBackup, type MasterKey } from "./key-backup-warning.ts";

const dayMs = 86_400_000;
const now = Date.parse("2026-11-29T12:00:00Z");
const daysAgo = (days: number) => new Date(now - days * dayMs);

const backup = (days: number, complete?: boolean): KeyBackup => ({
  fingerprint: `sha256:${"0".repeat(64)}`,
  createdAt: daysAgo(days),
  ...(complete !== undefined && { lastCheck: { at: daysAgo(days), complete } }),
});
const key = (version: number, days: number, status: MasterKey["status"] = "active"): MasterKey => ({
  version,
  name: `MASTER_KEY_V${version}`,
  status,
  fingerprint: "fake",
  createdAt: daysAgo(days),
  wraps: 0,
  damaged: 0,
});

test.for([
  ["none is known", [], [key(1, 100)], "No backup of the keys is known"],
  ["a newer key is in none", [backup(10, true)], [key(1, 100), key(2, 5)], "No backup has master key 2"],
  ["the check found keys missing", [backup(10, false)], [key(1, 100)], "The newest backup lacks keys"],
  ["it is old", [backup(90, true)], [key(1, 100)], "The newest backup is 90 days old"],
  ["it was never checked", [backup(3)], [key(1, 100)], "The newest backup was never checked"],
  ["it is newer than each key, and checked", [backup(3, true)], [key(1, 100)], undefined],
  ["the missing key was destroyed", [backup(10, true)], [key(1, 100), key(2, 5, "destroyed")], undefined],
  ["an older backup lacks a key", [backup(3, true), backup(50)], [key(1, 100), key(2, 5)], undefined],
] as const)("what is said when %s", ([, backups, versions, title]) => {
  expect(warningOf(backups, versions, now)?.title).toBe(title);
});
