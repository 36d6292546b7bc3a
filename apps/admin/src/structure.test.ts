import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const files = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll(path.sep, "/"))
  .filter((file) => /\.tsx?$/.test(file) && !file.endsWith(".test.ts"));
const textOf = (file: string): string => readFileSync(path.join(import.meta.dirname, file), "utf8");
const roomOf = (file: string): string => (file.includes("/") ? (file.split("/")[0] ?? "") : "");

const neighboursOf = (file: string): string[] =>
  [...textOf(file).matchAll(/(?:from|import) "(\.[^"]+)"|import\("(\.[^"]+)"\)/g)]
    .map(([, fixed, lazy]) => fixed ?? lazy ?? "")
    .map((specifier) => path.posix.join(path.posix.dirname(file), specifier));

/** What a room may import beside itself. */
const forEveryRoom = ["ui", "frame"];
const filesForEveryRoom = ["api.ts", "errors.ts", "icon.svg"];

test("a room imports ui/, frame/, api.ts, errors.ts and no other room", () => {
  const foreign = files
    .filter((file) => roomOf(file) !== "")
    .flatMap((file) =>
      neighboursOf(file)
        .filter((target) => {
          const room = roomOf(target);
          if (room === "") return !filesForEveryRoom.includes(target);
          return room !== roomOf(file) && !forEveryRoom.includes(room);
        })
        .map((target) => `${file} → ${target}`),
    );
  expect(foreign).toEqual([]);
});

test("ui/ imports nothing of the frame or a room, and frame/ nothing of a room", () => {
  const upward = files
    .filter((file) => forEveryRoom.includes(roomOf(file)))
    .flatMap((file) =>
      neighboursOf(file)
        .filter((target) => roomOf(target) !== "" && roomOf(target) !== roomOf(file))
        .filter((target) => !(roomOf(file) === "frame" && roomOf(target) === "ui"))
        .map((target) => `${file} → ${target}`),
    );
  expect(upward).toEqual([]);
});

test("a file has at most 200 lines, but for the table of contents and that of the audit log's words", () => {
  const tables = ["routes.tsx", "audit-log/action-words.ts"];
  const others = files.filter((file) => !tables.includes(file));
  expect(others.filter((file) => textOf(file).split("\n").length > 201)).toEqual([]);
});

test("there is no file that only passes on what others export, and no drawer for what has no name", () => {
  const drawers = files.filter((file) =>
    /(?:^|\/)(?:index|utils?|helpers?|types|common|hooks|shared)\.tsx?$/.test(file),
  );
  expect(drawers).toEqual([]);
});

test("pages hold no markup from text, and no part of radix that makes some", () => {
  // Select and ScrollArea write a style as HTML, which the policy of the pages forbids: the page dies.
  const found = files.filter((file) =>
    /dangerouslySetInnerHTML|innerHTML|\b(?:Select|ScrollArea)\b[^;]*from "radix-ui"/.test(textOf(file)),
  );
  expect(found).toEqual([]);
});

test("pages store nothing but the looks and the shortcuts", () => {
  const stores = files.flatMap((file) =>
    [
      ...textOf(file).matchAll(/(?:localStorage|sessionStorage|indexedDB|caches)\.(?:setItem\("(\w+)"|\w+)/g),
    ].map(([call, key]) => (key === undefined ? call : key)),
  );
  const allowed = new Set(["theme", "density", "shortcuts", "localStorage.getItem"]);
  expect(stores.filter((each) => !allowed.has(each))).toEqual([]);
});
