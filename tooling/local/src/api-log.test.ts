import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { expect, onTestFinished, test, vi } from "vitest";
import { createApiLog } from "./api-log.ts";

function startLog() {
  const directory = mkdtempSync(path.join(tmpdir(), "api-log-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, "api.log");
  const output = new PassThrough();
  const said: string[] = [];
  const log = createApiLog(file, (line) => said.push(line));
  log.follow(output);
  return { file, output, said, log };
}

test("keeps every line in the file, and shows warnings and errors alone", async () => {
  const { file, output, said, log } = startLog();
  output.write('{"level":"info","time":1,"msg":"request","status":201}\n');
  output.write(
    '{"level":"warn","time":2,"pid":7,"msg":"Infisical\\n  does not answer","code":"STORE_UNAVAILABLE"}\n',
  );
  output.write('{"level":"info","time":3,"msg":"listening"}\n');
  await vi.waitFor(() => expect(log.lastLine()).toBe("listening"), 60_000);
  expect(said).toEqual(["API: Infisical does not answer  code=STORE_UNAVAILABLE"]);
  expect(readFileSync(file, "utf8").split("\n")).toHaveLength(4);
});

test("lines that are no log entries are shown without terminal control sequences", async () => {
  const { output, said } = startLog();
  output.write("\u{1b}]0;title\u{7} SyntaxError: unexpected\n");
  await vi.waitFor(
    () => expect(said).toEqual(["API: \u{fffd}]0;title\u{fffd} SyntaxError: unexpected"]),
    60_000,
  );
});
