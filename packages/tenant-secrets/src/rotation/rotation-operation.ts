import { type Caller, type CompanyId, forbidden, type TenantSecretsError } from "@repo/catalog";
import type { Operation } from "../access/operation.ts";
import { permits, refusal } from "../access/permissions.ts";
import type { Companies, Company } from "../companies/companies.ts";

type Verb = "describe" | "rotate";
export type RotationAction = Operation["action"] & `rotation.${string}`;

export interface RotationOperation extends Operation {
  readonly company: Company;
}

/** What a caller asks of the rotations of a company, or of one of its secrets. @throws {TenantSecretsError} NOT_FOUND */
export async function rotationOperation(
  companies: Pick<Companies, "resolve">,
  caller: Caller,
  {
    company,
    secretKey,
    action,
    verb,
  }: {
    readonly company: string;
    readonly secretKey?: string;
    readonly action: RotationAction;
    readonly verb: Verb;
  },
): Promise<RotationOperation> {
  const asked = { caller, action, secretKey };
  const resolved = (await companies.resolve(asked, company)).company;
  return {
    ...asked,
    verb,
    to: verb === "rotate" ? "rotate secrets" : "see rotations",
    company: resolved,
    deny: denialOf(caller, { companyId: resolved.id, verb, secretKey }),
  };
}

/** A program sees no rotation, since its grant may not cover a secret; and one that rotates does so for the secrets of its grant. */
function denialOf(
  { actor }: Caller,
  {
    companyId,
    verb,
    secretKey,
  }: { readonly companyId: CompanyId; readonly verb: Verb; readonly secretKey: string | undefined },
): TenantSecretsError | undefined {
  if (verb === "describe")
    return actor.kind === "service" || actor.kind === "job" ? forbidden("see rotations") : undefined;
  return permits(actor, verb, { companyId, secretKey }) ? undefined : refusal(actor, verb, secretKey);
}
