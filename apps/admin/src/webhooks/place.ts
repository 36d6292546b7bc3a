import { linkOptions, useParams } from "@tanstack/react-router";
import { permits, useAccount } from "../frame/account.ts";

/** Whose endpoints the page shows: those of the company in the address, or the platform's. */
export function useEndpointOwner() {
  const { company } = useParams({ strict: false });
  const account = useAccount();
  return {
    /** Undefined: the platform. */
    company,
    /** Operators have the platform's, which the frame of their pages holds. */
    mayManage: company === undefined || permits(account, company, "webhooks"),
    ...linksFor(company),
  };
}

/** The pages of a company's endpoints, or of the platform's. */
export function linksFor(company: string | undefined) {
  return company === undefined ? platformLinks : linksOf(company);
}

const platformLinks = {
  list: linkOptions({ to: "/platform/webhooks" }),
  newOne: linkOptions({ to: "/platform/webhooks/new" }),
  linkTo: (endpoint: string) => linkOptions({ to: "/platform/webhooks/$endpoint", params: { endpoint } }),
};

function linksOf(company: string) {
  return {
    list: linkOptions({ to: "/c/$company/webhooks", params: { company } }),
    newOne: linkOptions({ to: "/c/$company/webhooks/new", params: { company } }),
    linkTo: (endpoint: string) =>
      linkOptions({ to: "/c/$company/webhooks/$endpoint", params: { company, endpoint } }),
  };
}
