import { z } from "zod";
import { secretKey, anyVersion, version } from "./fields.ts";
import { companyOperation, type OutputOf } from "./operation.ts";

/** What a provider says of a credential; `unknown` where it could not be asked. */
const CheckResult = z.enum(["accepted", "rejected", "unknown"]);
export type CheckResult = z.infer<typeof CheckResult>;

/** What the user of a credential can say of it. */
export const ReportedOutcome = CheckResult.exclude(["unknown"]);
export type ReportedOutcome = z.infer<typeof ReportedOutcome>;

export const Check = z.object({ result: CheckResult, checkedAt: z.date() });
export type Check = Readonly<z.infer<typeof Check>>;

export const checkOperations = {
  check: companyOperation({
    kind: "mutation",
    verb: "use",
    forServices: {
      summary:
        "Asks the provider of a credential whether it works, and stores what it says with the version.",
      example: { company: "acmecorp", secretKey: "STRIPE_SECRET_KEY" },
    },
    action: "secret.check",
    // It asks a provider in our name.
    sensitive: true,
    input: {
      secretKey,
      /** An active one: current, pending, or previous inside its grace window. Default: the current one. */
      version: anyVersion.optional().describe("A pending or previous version, in place of the current one"),
    },
    output: Check.extend({ version }),
  }),
};

export type CheckedVersion = Readonly<OutputOf<(typeof checkOperations)["check"]>>;
