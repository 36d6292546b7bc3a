// Each commit has a subject of at most 72 characters, an empty line, and a body that says why. Only what this clone has is
// read, so that a shallow one is enough.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Earlier commits are not held to the rule. */
const since = "2026-11-29T15:15:00Z";
/** In characters: what `git log --oneline` shows in a terminal of 80. */
const longestSubject = 72;

/** @param {string} message @returns {string | undefined} what is wrong with it */
function problemOf(message) {
  const [subject = "", separator = "", ...body] = message.trim().split("\n");
  if (Array.from(subject).length > longestSubject)
    return `its subject has more than ${longestSubject} characters`;
  if (separator !== "" || body.join("").trim() === "") return "it has no body that says why";
  return undefined;
}

const log = existsSync(".git")
  ? execFileSync("git", ["log", "--no-merges", `--since=${since}`, "-z", "--format=%h %B"], {
      encoding: "utf8",
    })
  : "";
for (const entry of log.split("\0").filter(Boolean)) {
  const [hash = ""] = entry.split(" ", 1);
  const problem = problemOf(entry.slice(hash.length + 1));
  if (problem === undefined) continue;
  console.error(`Commit ${hash}: ${problem}.`);
  process.exitCode = 1;
}
