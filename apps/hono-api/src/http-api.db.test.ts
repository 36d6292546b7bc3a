import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { whenDone } from "@repo/db/testing";
import { expect, test } from "vitest";
import { createBackends, startApi } from "./testing/fixture.ts";

const run = promisify(execFile);

/** What stands in for curl on a machine without one: it takes the options that the page has. */
const standIn = `#!${process.execPath}
const [, , ...args] = process.argv;
const headers = {};
let body, url;
for (let i = 0; i < args.length; i++) {
  if (args[i] === "-H") {
    const [, name, value] = /^([^:]+): *(.*)$/.exec(args[++i]);
    headers[name] = value;
  } else if (args[i] === "-d") body = args[++i];
  else if (args[i] !== "-sS") url = args[i];
}
const answer = await fetch(url, { method: body === undefined ? "GET" : "POST", headers, body });
process.stdout.write(await answer.text());
`;

/** A folder with the stand-in, which comes last on the path. */
async function folderWithCurl(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "curl-"));
  whenDone(() => rm(folder, { recursive: true }));
  await writeFile(path.join(folder, "curl.mjs"), standIn);
  await writeFile(path.join(folder, "curl"), `#!/bin/sh\nexec ${process.execPath} ${folder}/curl.mjs "$@"\n`);
  await chmod(path.join(folder, "curl"), 0o755);
  return folder;
}

test("the lines of docs/http-api.md answer what stands below them", async () => {
  const page = await readFile(new URL("../../../docs/http-api.md", import.meta.url), "utf8");
  const [, transcript = ""] = /^```console\n([^]*?)^```$/m.exec(page) ?? [];
  const steps = transcript.split(/^\$ /m).flatMap((step) => {
    const [command = "", ...output] = step.trimEnd().split("\n");
    return command === "" ? [] : [{ command, output: output.join("\n").trim() }];
  });
  expect(steps.length).toBeGreaterThan(8);

  const backends = await createBackends();
  const { url } = await startApi({ backends });
  const { apiKey } = await backends.apiKey("acmecorp");
  const script = steps.map(({ command }) => `${command}\nprintf '\\n===\\n'`).join("\n");
  const folder = await folderWithCurl();
  const { stdout, stderr } = await run("sh", ["-c", script], {
    env: {
      PATH: `/usr/local/bin:/usr/bin:/bin:${folder}`,
      SECRETS_URL: url,
      SECRETS_API_KEY: apiKey,
    },
  });
  const answers = stdout.split("\n===\n").map((text) => text.trim());
  const shown = answers.slice(0, -1).map((text) => text.replace(/"requestId":"[^"]+"/, '"requestId":"…"'));
  expect({ shown, stderr }).toEqual({ shown: steps.map(({ output }) => output), stderr: "" });
});
