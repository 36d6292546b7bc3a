import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { contractions } from "./contractions.ts";
import { migrationsFolder, readMigrations } from "./migrations.ts";
import { releasedTags } from "./next-migration.ts";
import { ownSchema, releases } from "./released.ts";

const packageFolder = path.dirname(migrationsFolder);
const last = releases[releases.length - 1] ?? releases[0];

test("the unreleased migration expands, or the oldest version that it serves is later than the last release's", async () => {
  const next = (await readMigrations()).filter(({ tag }) => !releasedTags.includes(tag));
  const found = next.flatMap(({ text }) => contractions(text));
  if (ownSchema.oldest <= last.schema.version) expect(found).toEqual([]);
  else expect(found).not.toEqual([]);
});

test("no function is dropped while a program may be calling it: it is replaced in place", async () => {
  const folder = path.join(packageFolder, "sql");
  for (const name of await readdir(folder)) {
    const text = await readFile(path.join(folder, name), "utf8");
    expect([name, text.match(/^\s*(?:drop function|create function).*$/gim)]).toEqual([name, null]);
  }
});

const fresh = 'CREATE TABLE "fresh" ("id" uuid NOT NULL);\n--> statement-breakpoint\n';

test.each([
  fresh,
  'ALTER TABLE "companies" ADD COLUMN "note" text;',
  'ALTER TABLE "companies" ADD COLUMN "flag" boolean DEFAULT false NOT NULL;',
  `${fresh}CREATE UNIQUE INDEX "fresh_id" ON "fresh" USING btree ("id");`,
  `${fresh}ALTER TABLE "fresh" ADD CONSTRAINT "fresh_check" CHECK (id is not null);`,
  'ALTER TABLE "companies" ALTER COLUMN "note" SET DEFAULT \'\';',
  'ALTER TABLE "companies" ALTER COLUMN "note" DROP NOT NULL;',
  'CREATE INDEX "companies_note" ON "companies" USING btree ("note");',
  'CREATE SEQUENCE "public"."numbers";',
])("expands: %s", (text) => {
  expect(contractions(text)).toEqual([]);
});

test.each([
  'DROP TABLE "companies";',
  'ALTER TABLE "companies" DROP COLUMN "subdomain";',
  'ALTER TABLE "companies" RENAME COLUMN "subdomain" TO "name";',
  'ALTER TABLE "companies" RENAME TO "tenants";',
  'ALTER TABLE "companies" ADD COLUMN "note" text NOT NULL;',
  'ALTER TABLE "companies" ALTER COLUMN "note" SET NOT NULL;',
  'ALTER TABLE "companies" ALTER COLUMN "note" SET DATA TYPE integer;',
  'ALTER TABLE "companies" ALTER COLUMN "note" DROP DEFAULT;',
  'ALTER TABLE "companies" ADD CONSTRAINT "companies_check" CHECK (subdomain <> \'a\');',
  'CREATE UNIQUE INDEX "companies_note" ON "companies" USING btree ("note");',
  'ALTER TABLE "companies" DROP CONSTRAINT "companies_pkey";',
  'DROP INDEX "companies_note";',
  "update companies set note = '';",
])("contracts: %s", (text) => {
  expect(contractions(text)).toEqual([text]);
});

test("a check that is dropped and added again in one migration is taken for wider where the list says so", () => {
  const drop = 'ALTER TABLE "audit_events" DROP CONSTRAINT "audit_events_kind_check";';
  const add = 'ALTER TABLE "audit_events" ADD CONSTRAINT "audit_events_kind_check" CHECK (true);';
  expect(contractions(`${drop}--> statement-breakpoint\n${add}`, [])).toEqual([drop, add]);
  expect(contractions(`${drop}--> statement-breakpoint\n${add}`, ["audit_events_kind_check"])).toEqual([]);
});
