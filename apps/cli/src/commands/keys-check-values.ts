import { defineCommand } from "../command.ts";
import { IncompleteError } from "../failure.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { print, printJson, table } from "../output.ts";

export const checkValuesCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Decrypts every value in the database in memory, current ones and earlier versions, and prints numbers alone. Names the
values that do not decrypt, and ends with exit code 1 then. After a restore, this shows that database and master keys belong
together. Works on the database and Infisical themselves and not through an API. For operators.`,
  examples: ["keys check-values"],
  run: async ({ json }) => {
    rejectApiUrl("Values are not checked");
    const checked = await asOperator((secrets, caller) => secrets.checkValues(caller));
    if (json) printJson(checked);
    else {
      const { companies, inInfisical, current, otherVersions, destroyed, needExternalKey, failed, failures } =
        checked;
      if (failures.length > 0)
        print(
          table(
            ["COMPANY", "SECRET KEY", "VERSION", "WHY"],
            failures.map((each) => [each.company, each.secretKey, String(each.version), each.code]),
          ),
        );
      print(
        `${companies} companies, ${inInfisical} of them with their values in Infisical, which were not checked.\n${current} current values and ${otherVersions} other versions decrypt; ${destroyed} are destroyed; ${failed} do not decrypt.`,
      );
      if (needExternalKey > 0)
        print(
          `${needExternalKey} need the key of their company, which refuses or does not answer. That is no damage.`,
        );
    }
    if (checked.failed > 0) throw new IncompleteError("Some values do not decrypt.");
  },
});
