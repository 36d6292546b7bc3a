import { defineCatalog, type Capabilities, type CompanySecrets, type ErrorCode } from "@repo/catalog";
import { expect } from "vitest";

/** No names of a product: only `CUSTOM_…`, whose values are any text. */
export const contractCatalog = defineCatalog({});

/** A company whose secrets are in the store. */
export interface CompanyUnderTest {
  /** Its secrets, as a job with every verb has them. */
  readonly secrets: CompanySecrets<typeof contractCatalog>;
  /** Its audited changes, as `<action> <outcome> <secret key> <version>`, the oldest first. */
  readonly changes: () => Promise<readonly string[]>;
}

export interface StoreSubject {
  readonly capabilities: Capabilities;
  /** A company that has no secret yet. */
  readonly newCompany: () => Promise<CompanyUnderTest>;
}

/** What callers of a store rely on. */
export interface StorePromise {
  /** To follow the name of the store. */
  readonly title: string;
  /** The capability that it is about, for one that not every store has. */
  readonly needs?: keyof Capabilities;
  /** Rejects where the store breaks the promise. */
  readonly verify: (subject: StoreSubject) => Promise<void>;
}

export function expectCode(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  return expect(call).rejects.toMatchObject({ code });
}

/** Expects that a call succeeds where the store is able to do it, and ends with the code where it is not. */
export async function expectAble(call: Promise<unknown>, isAble: boolean, code: ErrorCode): Promise<void> {
  if (isAble) await call;
  else await expectCode(call, code);
}
