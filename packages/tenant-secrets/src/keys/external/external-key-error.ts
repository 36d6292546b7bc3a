import { TenantSecretsError } from "@repo/catalog";
import type { ExternalKeyFault } from "@repo/external-keys";

const why: Readonly<Record<ExternalKeyFault, string>> = {
  denied: "refuses to use that key: nothing of the company opens until the company allows it again",
  wrong: "gives answers that do not fit: nothing of the company opens until it is set right",
  unavailable: "does not answer: try again in a few seconds",
};

/** How long after a failed call the service of a company's key is left alone, in milliseconds. */
export const externalPauseMs = 2000;

/** Nothing of a company opens, because its own key is not to be had. Names no key: those who read may belong to another party. */
export class ExternalKeyError extends TenantSecretsError {
  readonly fault: ExternalKeyFault;

  constructor(fault: ExternalKeyFault) {
    super(
      "KEY_UNAVAILABLE",
      `The keys of this company are wrapped by a key of its own, and the service that has it ${why[fault]}.`,
      fault === "unavailable" ? { retryAfterMs: externalPauseMs } : {},
    );
    this.fault = fault;
  }
}

/** A key was used after its time, while its external key was not refused: a caller that opens it again may go on. */
export class LeaseOver extends ExternalKeyError {
  constructor() {
    super("unavailable");
  }
}
