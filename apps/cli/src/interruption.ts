import { remark } from "./output.ts";

export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * The first Ctrl-C asks to stop after the step that is under way; a second one ends the process.
 *
 * @param sentence what the first one says
 */
export function listenForInterruption(sentence: string): Interruption {
  const stopping = new AbortController();
  const ask = (): void => {
    remark(sentence);
    stopping.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, ask);
  return {
    signal: stopping.signal,
    [Symbol.dispose]: () => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, ask);
    },
  };
}
