import type { EntryDescription } from "../frame/catalog.ts";
import type { Capabilities, SecretDescription } from "./form-catalog.ts";

/** Which secret a form is of. */
export interface FormTarget {
  readonly company: string;
  readonly secretKey: string;
  readonly entry: EntryDescription;
  /** Undefined of a secret that is not there yet. */
  readonly current: SecretDescription | undefined;
  readonly capabilities: Capabilities;
}
