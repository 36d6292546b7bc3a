import { randomUUID } from "node:crypto";
import type { Change } from "@repo/db";
import type { Caller, CompanyStamp } from "@repo/catalog";
import type { Companies } from "./companies.ts";

type Counter = "secrets" | "members" | "apiKeys";
type Counters = Readonly<Record<Counter, number>>;

/** The counters that a notification moves. */
const movedBy: Readonly<Record<Change["subject"], readonly Counter[]>> = {
  // A subdomain, a store or a status: every list of the company may be another one.
  company: ["secrets", "members", "apiKeys"],
  "company-secrets": ["secrets"],
  "company-secret": ["secrets"],
  "company-keys": ["secrets"],
  "company-members": ["members"],
  "company-api-keys": ["apiKeys"],
  credentials: [],
  "master-keys": [],
  regions: [],
};

const none: Counters = { secrets: 0, members: 0, apiKeys: 0 };

/** Counts the changes of each company that this process is notified of. In memory: one small entry per company that changed. */
export interface Stamps {
  /** Counts a change; undefined if changes may have been missed, which moves the counters of every company. */
  count(change: Change | undefined): void;
  /**
   * Not audited: it tells that something changed and not what, and each open page asks three times a minute.
   *
   * @throws {TenantSecretsError} NOT_FOUND for a company that the caller may not enter, audited; RATE_LIMITED
   */
  get(caller: Caller, company: string): Promise<CompanyStamp>;
}

export function createStamps(companies: Pick<Companies, "resolve">): Stamps {
  const source = randomUUID();
  const changes = new Map<string, Counters>();
  let missed = 0;
  return {
    count: (change) => {
      if (change === undefined) missed += 1;
      if (change === undefined || !("companyId" in change)) return;
      const counters = { ...(changes.get(change.companyId) ?? none) };
      for (const counter of movedBy[change.subject]) counters[counter] += 1;
      changes.set(change.companyId, counters);
    },
    get: async (caller, subdomain) => {
      const { company } = await companies.resolve({ caller, action: "company.stamp" }, subdomain);
      const { secrets, members, apiKeys } = changes.get(company.id) ?? none;
      return { source, secrets: secrets + missed, members: members + missed, apiKeys: apiKeys + missed };
    },
  };
}
