import { codeOf } from "@repo/sign-in/authenticator-code";
import { usableDataDir } from "@repo/db/embedded";
import { credentialsFile, demoPeople, totpOf } from "./credentials.ts";
import { openDataDirectory } from "./data-directory.ts";
import { environmentVariables } from "./env.ts";
import { readSettings } from "./environment.ts";

// `npm run demo:code pat`: what the authenticator app of a person of the demo shows now.

const [person = ""] = process.argv.slice(2);
const { preferredDataDir, given } = readSettings(environmentVariables());
const data = openDataDirectory(given.database ? preferredDataDir : usableDataDir(preferredDataDir));
const secret = data.read(credentialsFile)[totpOf(person)];
if (secret === undefined) {
  console.error(`Name one of ${Object.keys(demoPeople).join(", ")}, after a first \`npm start\`.`);
  process.exitCode = 1;
} else console.log(await codeOf(secret));
