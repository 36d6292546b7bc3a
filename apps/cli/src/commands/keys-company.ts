import { defineCommand } from "../command.ts";
import { readApiUrl, readCredential } from "../env.ts";
import { UsageError } from "../failure.ts";
import { print, printJson, remark } from "../output.ts";

export const rotateCompanyCommand = defineCommand({
  positionals: ["subdomain"],
  options: {},
  details: `Gives a company a new key, seals all its values under it, and destroys the old one. Values stay what they are, and
are read and written all the while. Interrupted anywhere, it goes on where it was when it is run again. It does not help
against somebody who has read the values: docs/emergency-rotation.md. Works on the database and Infisical themselves and not
through an API. For operators.`,
  examples: ["keys rotate-company acmecorp"],
  run: async ({ subdomain, json }) => {
    if (readApiUrl() !== undefined) {
      throw new UsageError(
        "A company's key is not rotated through an API: unset TENANT_SECRETS_URL, and run this with the database's and Infisical's variables.",
      );
    }
    const token = readCredential("TENANT_SECRETS_OPERATOR_TOKEN");
    const { openServices } = await import("../in-process.ts");
    await using opened = await openServices();
    const { authenticate, companyKeyRotation } = opened.secrets;
    const caller = await authenticate({ credential: token });
    const rotated = await companyKeyRotation.rotateCompanyKey(caller, subdomain, (values) => {
      remark(`${values} values sealed under the new key`);
    });
    if (json) return printJson({ company: subdomain, ...rotated });
    const { no, values, destroyed } = rotated;
    print(
      `Everything of ${subdomain} is under its key ${no}: ${values} values were sealed anew. Destroyed: ${
        destroyed.length === 0 ? "no key" : `key ${destroyed.join(", ")}`
      }.`,
    );
  },
});
