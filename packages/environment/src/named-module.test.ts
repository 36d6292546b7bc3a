import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadNamedModule } from "./index.ts";

const folder = mkdtempSync(path.join(tmpdir(), "named-module-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function moduleOf(source: string, extension = "mjs"): string {
  const file = path.join(folder, `module-${++files}.${extension}`);
  writeFileSync(file, source);
  return file;
}

interface Wanted {
  readonly wanted: string;
}
const isWanted = (exported: unknown): exported is Wanted =>
  typeof exported === "object" && exported !== null && "wanted" in exported;

const load = (named: string) =>
  loadNamedModule({
    variable: "THING",
    named,
    importModule: (specifier) => import(specifier),
    what: "a thing",
    isOne: isWanted,
  }).then(({ found }) => found);
const problemOf = (named: string) =>
  load(named).then(
    () => "none",
    (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : "no error"),
  );

test("the one export of the right kind is found under any name, in JavaScript and in TypeScript", async () => {
  const named = moduleOf(`export const some = { wanted: "a" }; export const other = 1;`);
  expect(await load(named)).toEqual({ wanted: "a" });
  const typed = moduleOf(`export const some: { wanted: string } = { wanted: "b" };`, "ts");
  expect(await load(typed)).toEqual({ wanted: "b" });
  expect(await load(path.relative(process.cwd(), named).replace(/^(?!\.)/, "./"))).toEqual({ wanted: "a" });
});

test("one object under two names is one export", async () => {
  expect(await load(moduleOf(`export const some = { wanted: "a" }; export default some;`))).toEqual({
    wanted: "a",
  });
});

test("a file that does not exist is said to be missing, and is not quoted", async () => {
  const problem = await problemOf("./no-such-file.ts");
  expect(problem).toBe(
    `EnvironmentError: THING names a file that does not exist. It is looked for from the working directory, ${process.cwd()}.`,
  );
});

test("a package that the program does not depend on is said to be missing, and is not quoted", async () => {
  const problem = await problemOf("no-such-package");
  expect(problem).toMatch(/^EnvironmentError: THING names a package that is not among the dependencies/);
  expect(problem).not.toContain("no-such-package");
});

test("a module without a fitting export, and one with two, are refused", async () => {
  expect(await problemOf(moduleOf(`export const other = 1;`))).toBe(
    "EnvironmentError: THING names a module that exports nothing that is a thing.",
  );
  expect(
    await problemOf(moduleOf(`export const a = { wanted: "a" }; export const b = { wanted: "b" };`)),
  ).toBe("EnvironmentError: THING names a module with 2 exports that are a thing; it has to have one.");
});

test("what a module throws while it is loaded is quoted", async () => {
  expect(await problemOf(moduleOf(`throw new TypeError("a-b cannot be a secret key");`))).toBe(
    "EnvironmentError: THING names a module that cannot be loaded: TypeError: a-b cannot be a secret key",
  );
  expect(await problemOf(moduleOf(`import "no-such-package";`))).toMatch(
    /cannot be loaded: Error: Cannot find package 'no-such-package'/,
  );
});
