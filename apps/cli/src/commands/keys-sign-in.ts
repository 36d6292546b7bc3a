import { defineCommand } from "../command.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { minute, print, printJson } from "../output.ts";

export const rotateSignInCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Creates the next version of SIGN_IN_SECRET in Infisical, which signs sessions and encrypts authenticator apps. Processes use it
five minutes later. Sessions go on while Infisical has the earlier versions. Works on Infisical itself and not
through an API; the machine identity has to be allowed to write in /hono-api. For operators. docs/sign-in.md has the whole
procedure.`,
  examples: ["keys rotate-sign-in", "keys rotate-sign-in --json"],
  run: async ({ json }) => {
    rejectApiUrl("The secret of the sign-in is not rotated");
    const { version, signsFrom } = await asOperator(({ signInSecrets }, caller) =>
      signInSecrets.rotate(caller),
    );
    if (json) return printJson({ version, signsFrom });
    const name = version === 1 ? "SIGN_IN_SECRET" : `SIGN_IN_SECRET_V${version}`;
    print(`${name} is in Infisical. Every process signs and encrypts with it from ${minute(signsFrom)}.`);
  },
});
