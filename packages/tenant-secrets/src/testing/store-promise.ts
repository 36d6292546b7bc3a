import { defineCatalog, type Capabilities, type CompanySecrets, type ErrorCode } from "@repo/catalog";
import { expect } from "vitest";

/** A catalogue without products' names: only `CUSTOM_…`, whose values are any text. */
export const contractCatalog = defineCatalog({});

/** A company whose secrets are in the store. */
export interface CompanyUnderTest {
  /** Its secrets, for a job with every verb. */
  readonly secrets: CompanySecrets<typeof contractCatalog>;
  /** Its audited changes, as `<action> <outcome> <secret key> <version>`, the oldest first. */
  readonly changes: () => Promise<readonly string[]>;
}

export interface StoreSubject {
  readonly capabilities: Capabilities;
  /** A company without secrets. */
  readonly newCompany: () => Promise<CompanyUnderTest>;
}

/** A promise that callers of a store rely on. */
export interface StorePromise {
  /** Follows the name of the store. */
  readonly title: string;
  /** The capability that it is about, for one that not every store has. */
  readonly needs?: keyof Capabilities;
  /** Rejects if the store breaks the promise. */
  readonly verify: (subject: StoreSubject) => Promise<void>;
}

export function expectCode(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  return expect(call).rejects.toMatchObject({ code });
}

/** Expects a call to succeed if the store has the capability, and to fail with the code if not. */
export async function expectAble(call: Promise<unknown>, isAble: boolean, code: ErrorCode): Promise<void> {
  if (isAble) await call;
  else await expectCode(call, code);
}
