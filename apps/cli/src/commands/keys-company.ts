import { defineCommand } from "../command.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { print, printJson, remark } from "../output.ts";
import { progressText } from "../run-progress.ts";

export const rotateCompanyCommand = defineCommand({
  positionals: ["subdomain"],
  options: {},
  details: `Gives a company a new key, seals all its values under it, and destroys the old one. Values stay what they are, and
are read and written all the while. After an interruption it continues when it is run again. It does not help
against a party that has read the values: docs/emergency-rotation.md. Works on the database and Infisical themselves and not
through an API. For operators.`,
  examples: ["keys rotate-company acmecorp"],
  run: async ({ subdomain, json }) => {
    rejectApiUrl("A company's key is not rotated");
    const rotated = await asOperator(({ companyKeyRotation }, caller) =>
      companyKeyRotation.rotateCompanyKey(caller, subdomain, (values, progress) => {
        remark(`${values} values re-encrypted under the new key${progressText(progress)}`);
      }),
    );
    if (json) return printJson({ company: subdomain, ...rotated });
    const { keyVersion, values, destroyed, drivenElsewhere } = rotated;
    if (drivenElsewhere !== undefined) {
      return print(
        `Another process puts everything of ${subdomain} under its key ${keyVersion}: "runs show ${drivenElsewhere}" shows how far it is. If that process dies, run this again.`,
      );
    }
    print(
      `Everything of ${subdomain} is under its key ${keyVersion}: ${values} values were re-encrypted. Destroyed: ${
        destroyed.length === 0 ? "no key" : `key ${destroyed.join(", ")}`
      }.`,
    );
  },
});
