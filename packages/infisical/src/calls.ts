import type { Breaker } from "./breaker.ts";
import { startDeadline } from "./deadline.ts";
import type { Deadline } from "./deadline.ts";
import { InfisicalError } from "./errors.ts";
import { observed } from "./observation.ts";
import type { InfisicalCall, InfisicalOperation } from "./observation.ts";
import type { InfisicalRight } from "./rights.ts";
import type { Watch } from "./watch.ts";

export interface ClientCall<T> {
  /** Throws `INVALID_INPUT` before anything is sent. */
  readonly check?: () => void;
  readonly work: (deadline: Deadline) => Promise<T>;
  /** The rights that a result proves. */
  readonly rightsShownBy?: (result: T) => readonly InfisicalRight[];
}

/** Makes one call of a client: checked, observed, within a deadline, and refused while the breaker is open. */
export type Caller = <T>(operation: InfisicalOperation, call: ClientCall<T>) => Promise<T>;

export function createCaller({
  breaker,
  watch,
  onCall,
  deadlineMs,
  probeMs,
}: {
  readonly breaker: Breaker;
  readonly watch: Watch;
  readonly onCall: ((call: InfisicalCall) => void) | undefined;
  readonly deadlineMs: number;
  /** For the call that probes whether the server is back. */
  readonly probeMs: number;
}): Caller {
  return (operation, { check = () => {}, work, rightsShownBy = () => [] }) =>
    observed(operation, onCall, async () => {
      check();
      try {
        const result = await breaker.run((isProbe) => work(startDeadline(isProbe ? probeMs : deadlineMs)));
        watch.succeeded(rightsShownBy(result));
        return result;
      } catch (error) {
        if (error instanceof InfisicalError) watch.failed(error);
        throw error;
      }
    });
}
