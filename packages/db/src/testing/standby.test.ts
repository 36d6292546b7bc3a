import { chownSync, chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { baseBackup, startPrimary, startRecovered, startStandby } from "./standby.ts";
import { findUnprivilegedUser } from "../embedded/unprivileged.ts";

function connect(url: string): postgres.Sql {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

const numbers = async (sql: postgres.Sql) =>
  (await sql<{ n: number }[]>`select n from numbers order by n`).map(({ n }) => n);

const timeline = async (sql: postgres.Sql) => {
  const [row] = await sql<{ timeline: string }[]>`
    select left(pg_walfile_name(pg_current_wal_lsn()), 8) as timeline`;
  return row?.timeline;
};

test("a standby has what was replicated when it was cut off, and goes on alone on the next timeline", async () => {
  const primary = await startPrimary();
  onTestFinished(() => primary.stop());
  const before = connect(primary.superuserUrl);
  await before`create table numbers (n int primary key)`;
  await before`insert into numbers values (1)`;
  const standby = await startStandby(primary);
  onTestFinished(() => standby.stop());
  await before`insert into numbers values (2)`;
  await standby.caughtUp();
  await standby.cutOff();
  await before`insert into numbers values (3)`;
  expect(await timeline(before)).toBe("00000001");
  await primary.stopImmediately();

  const after = connect(standby.superuserUrl);
  await expect(after`insert into numbers values (4)`).rejects.toThrow(/read-only/);
  await standby.promote();
  await after`insert into numbers values (5)`;
  expect(await numbers(after)).toEqual([1, 2, 5]);
  // At once, although no checkpoint of the server has been made since.
  expect(await timeline(after)).toBe("00000002");
});

test("a base backup and the archived WAL lead to a point in time", async () => {
  const archive = mkdtempSync(path.join(tmpdir(), "archive-"));
  onTestFinished(() => rmSync(archive, { recursive: true, force: true }));
  const user = findUnprivilegedUser();
  chmodSync(archive, 0o700);
  if (user !== undefined) chownSync(archive, user.uid, user.gid);
  const primary = await startPrimary({
    archive_mode: "on",
    archive_command: `test ! -f ${archive}/%f && cp %p ${archive}/%f`,
  });
  onTestFinished(() => primary.stop());
  const sql = connect(primary.superuserUrl);
  await sql`create table numbers (n int primary key)`;
  const backup = mkdtempSync(path.join(tmpdir(), "backup-"));
  onTestFinished(() => rmSync(backup, { recursive: true, force: true }));
  await baseBackup(primary, backup);
  await sql`insert into numbers values (1)`;
  const [wanted] = await sql<{ at: string }[]>`select clock_timestamp()::text as at`;
  await sql`insert into numbers values (2)`;
  await sql`select pg_switch_wal()`;
  await expect
    .poll(async () => {
      const [row] = await sql<{ done: boolean }[]>`
        select last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) as done from pg_stat_archiver`;
      return row?.done ?? readdirSync(archive).length;
    })
    .toBe(true);
  await primary.stopImmediately();

  const restored = await startRecovered(backup, {
    restore_command: `cp ${archive}/%f %p`,
    recovery_target_time: String(wanted?.at),
  });
  onTestFinished(() => restored.stop());
  const after = connect(restored.superuserUrl);
  expect(await numbers(after)).toEqual([1]);
  await after`insert into numbers values (3)`;
  expect(await timeline(after)).toBe("00000002");
});
