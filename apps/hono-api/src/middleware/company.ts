import { requestOf, serverCaller, type CompanyScope } from "@repo/tenant-secrets/http";
import type { Catalog, CompanySecrets, TenantSecrets } from "@repo/tenant-secrets";
import { Subdomain } from "@repo/catalog";
import type { Context } from "hono";
import { originOf, type ApiEnv } from "../context.ts";
import { invalidInput } from "../http-error.ts";

interface RequestCompany {
  /** Of this request: its calls are charged to the company's budget once. */
  readonly scope: CompanyScope;
  /** With the rights of the request's credential. */
  readonly secrets: CompanySecrets<Catalog>;
}

export type GetCompanyFromRequest = (c: Context<ApiEnv>) => Promise<RequestCompany>;

/**
 * The company that a request is for: its host names one, its credential has to be of one that may enter it.
 *
 * @param baseDomain `acmecorp.<baseDomain>` is acmecorp's host, whatever the port
 * @returns a function that throws UNAUTHENTICATED, INVALID_INPUT where the host names no company, and NOT_FOUND, the
 *   same for an unknown company and a foreign one
 */
export function createGetCompanyFromRequest(
  secrets: TenantSecrets<Catalog>,
  baseDomain: string,
): GetCompanyFromRequest {
  return async (c) => {
    const caller = await secrets.authenticate(requestOf(c.req.raw.headers, originOf(c)));
    c.set("actor", caller.actor.kind);
    const named = subdomainOf(c.req.header("host"), baseDomain);
    if (named === undefined) throw invalidInput(`Send the request to <company's subdomain>.${baseDomain}.`);
    const scope = await secrets.admin.companies.resolve({ caller, action: "secret.read" }, named);
    c.set("company", scope.company.subdomain);
    return { scope, secrets: serverCaller(secrets.admin, scope) };
  };
}

function subdomainOf(host: string | undefined, baseDomain: string): string | undefined {
  // A dot at the end says that the name is complete (RFC 3986, 3.2.2): the host is the same.
  const name = (host ?? "").toLowerCase().replace(/\.?(?::\d{1,5})?$/, "");
  if (!name.endsWith(`.${baseDomain}`)) return undefined;
  return Subdomain.safeParse(name.slice(0, -baseDomain.length - 1)).data;
}
