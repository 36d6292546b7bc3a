import type { Company, CompanyScope } from "../companies/companies.ts";
import type { SecretStore } from "./store.ts";

/** What every operation of a store takes first: a read the company, a change the scope. */
export type Subject = Company | CompanyScope;

/** What it takes second: a secret key, or an object that names one secret or several. */
export type About =
  | string
  | { readonly secretKey: string }
  | { readonly writes: readonly { readonly secretKey: string }[] };

type Operation = (subject: Subject, about: About) => unknown;

/** Runs an operation, before and after which it does something of its own. */
type Around = (subject: Subject, about: About, proceed: () => unknown) => unknown;

export function isScope(subject: Subject): subject is CompanyScope {
  return "caller" in subject;
}

export function companyOf(subject: Subject): Company {
  return isScope(subject) ? subject.company : subject;
}

export function secretKeysOf(about: About): readonly string[] {
  if (typeof about === "string") return [about];
  return "writes" in about ? about.writes.map(({ secretKey }) => secretKey) : [about.secretKey];
}

/**
 * Operations of a store with something around each of them.
 *
 * The result has the members of `operations` and no others. Each operation keeps its signature: `around` gets what the
 * operation takes, and returns what the operation returns. That makes the cast true.
 */
export function aroundEach<Operations extends object>(operations: Operations, around: Around): Operations {
  const wrapped = Object.entries(operations).map(([name, operation]: [string, Operation]) => [
    name,
    (subject: Subject, about: About) => around(subject, about, () => operation(subject, about)),
  ]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(wrapped) as Operations;
}

/** A store with something around each of its operations, in all groups. */
export function aroundStore(store: SecretStore, around: Around): SecretStore {
  const { trimsValues, versions, batches, checks, touchLastUsed } = store;
  const basic: Pick<SecretStore, "find" | "list" | "write" | "remove"> = {
    find: (...read) => store.find(...read),
    list: (...read) => store.list(...read),
    write: (...change) => store.write(...change),
    remove: (...change) => store.remove(...change),
  };
  return {
    ...aroundEach(basic, around),
    versions: versions && aroundEach(versions, around),
    batches: batches && aroundEach(batches, around),
    checks: checks && aroundEach(checks, around),
    trimsValues,
    touchLastUsed,
  };
}
