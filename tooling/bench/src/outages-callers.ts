import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiToBreak } from "./outages-api.ts";

export interface Outcome {
  /** The status; of a failure with its reason. */
  readonly kind: string;
  readonly at: number;
  readonly waitedMs: number;
}

/** Asks, and asks again as soon as it is answered, until it is stopped. */
export interface BenchCaller {
  readonly servedSince: (at: number) => number | undefined;
  /** Resolves with all that it was answered. */
  readonly stop: () => Promise<readonly Outcome[]>;
}

export function startCallers(api: ApiToBreak): BenchCaller[] {
  return ["A", "B", "C"].flatMap((letter) => {
    const secretKey = `CUSTOM_${letter}`;
    return [
      startCaller(api, "secrets.write", () => ({
        secretKey,
        value: `fake-${randomUUID()}`,
        requestId: randomUUID(),
      })),
      startCaller(api, "secrets.read", () => ({ secretKey })),
    ];
  });
}

function startCaller(api: ApiToBreak, procedure: string, input: () => object): BenchCaller {
  const outcomes: Outcome[] = [];
  const stopping = new AbortController();
  const ended = (async () => {
    for (; !stopping.signal.aborted; await sleep(10)) outcomes.push(await call(api, procedure, input()));
  })();
  return {
    servedSince: (since) => outcomes.find(({ kind, at }) => kind === "200" && at > since)?.at,
    stop: async () => {
      stopping.abort();
      await ended;
      return outcomes;
    },
  };
}

async function call(api: ApiToBreak, procedure: string, input: object): Promise<Outcome> {
  const { url, credential, company } = api;
  const startedAt = performance.now();
  let kind = "no answer";
  try {
    const response = await fetch(`${url}/trpc/${procedure}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${credential}` },
      body: JSON.stringify({ json: { company, ...input } }),
    });
    const [, reason] = /"reason":"([A-Z_]+)"/.exec(await response.text()) ?? [];
    kind = response.ok ? "200" : `${response.status} ${reason ?? ""}`;
  } catch {
    // It stays what it was.
  }
  const at = performance.now();
  return { kind, at, waitedMs: at - startedAt };
}
