import { z } from "zod";
import { operation } from "./operation.ts";

/** What waits for the approval of another operator. */
export const ApprovedAction = z.enum(["key.destroy", "key.shred", "key.emergency-rotate"]);
export type ApprovedAction = z.infer<typeof ApprovedAction>;

/** What exactly is approved: a call with other ones needs an approval of its own. */
export const ApprovalParameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
export type ApprovalParameters = Readonly<z.infer<typeof ApprovalParameters>>;

const Person = z.object({ id: z.uuid(), name: z.string() });

const ApprovalDescription = z.object({
  id: z.uuid(),
  action: ApprovedAction,
  parameters: ApprovalParameters,
  requestedBy: Person,
  requestedAt: z.date(),
  /** The approval can be given and used until then. */
  expiresAt: z.date(),
  state: z.enum(["waiting", "given", "refused", "used", "expired"]),
  givenBy: Person.optional(),
  refusedBy: Person.optional(),
});
export type ApprovalDescription = Readonly<z.infer<typeof ApprovalDescription>>;

const input = z.strictObject({ approval: z.uuid() });

/** Requests for what cannot be undone. The call that is refused with APPROVAL_REQUIRED makes one. For operators. */
export const approvalOperations = {
  /** The newest 100, in every state. */
  list: operation({
    kind: "query",
    verb: "operators",
    input: z.void(),
    output: z.array(ApprovalDescription).readonly(),
  }),

  /** For another person than the one who asks. The same call of the one who asks is then done, once. */
  give: operation({ kind: "mutation", verb: "operators", stepUp: true, input, output: ApprovalDescription }),

  /** Final. Takes an approval back that was given and not used, or withdraws the caller's own request. */
  refuse: operation({
    kind: "mutation",
    verb: "operators",
    stepUp: true,
    input,
    output: ApprovalDescription,
  }),
};
