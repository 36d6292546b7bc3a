import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** What became of one request. */
export interface Outcome {
  readonly procedure: "secrets.read" | "secrets.write";
  /** `200`, `503 DATABASE_UNAVAILABLE` and so on, or the code of an error of the connection. */
  readonly kind: string;
  /** The secret, and the value that was written. */
  readonly secretKey: string;
  readonly value?: string;
  /** In the time of `performance.now()`. */
  readonly at: number;
  readonly waitedMs: number;
}

/** Clients that ask, and ask again as soon as they are answered. */
export interface Load {
  /** What was answered so far. */
  readonly outcomes: readonly Outcome[];
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly url: string;
  readonly credential: string;
  readonly company: string;
  /** Clients that write, each a secret of its own, and as many that read them. */
  readonly pairs: number;
}

/** Milliseconds between an answer and the next request of a client. */
const pauseMs = 5;
const timeoutMs = 30_000;

/** Each client keeps its one connection, and repeats nothing: a lost request is seen. */
export function startLoad({ url, credential, company, pairs }: LoadOptions): Load {
  const outcomes: Outcome[] = [];
  const stopping = new AbortController();

  const client = async (secretKey: string, isWriter: boolean, answered = (): void => {}): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const procedure = isWriter ? "secrets.write" : "secrets.read";
    while (!stopping.signal.aborted) {
      const value = isWriter ? `fake-${randomUUID()}` : undefined;
      const startedAt = performance.now();
      const body = JSON.stringify({
        json: { company, secretKey, ...(isWriter && { value, requestId: randomUUID() }) },
      });
      const kind = await post(new URL(`/trpc/${procedure}`, url), { agent, credential, body });
      const at = performance.now();
      outcomes.push({
        procedure,
        kind,
        secretKey,
        ...(value !== undefined && { value }),
        at,
        waitedMs: at - startedAt,
      });
      answered();
      await sleep(pauseMs);
    }
    agent.destroy();
  };

  const clients = Array.from({ length: pairs }, async (_, i) => {
    const secretKey = `CUSTOM_LOAD_${i}`;
    const { promise: written, resolve } = Promise.withResolvers<void>();
    const writer = client(secretKey, true, resolve);
    await written;
    await Promise.all([writer, client(secretKey, false)]);
  });
  return {
    outcomes,
    stop: async () => {
      stopping.abort();
      await Promise.all(clients);
    },
  };
}

interface Call {
  readonly agent: Agent;
  readonly credential: string;
  readonly body: string;
}

async function post(url: URL, { agent, credential, body }: Call): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const failed = (error: Error): void => resolve("code" in error ? String(error.code) : error.name);
  const outgoing = request(
    url,
    {
      method: "POST",
      agent,
      timeout: timeoutMs,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        authorization: `Bearer ${credential}`,
      },
    },
    (incoming) => {
      text(incoming).then((answer) => resolve(kindOf(incoming.statusCode, answer)), failed);
    },
  );
  outgoing.on("error", failed).on("timeout", () => outgoing.destroy(new Error("TIMEOUT")));
  outgoing.end(body);
  return promise;
}

function kindOf(status: number | undefined, answer: string): string {
  const [, reason] = /"reason":"([A-Z_]+)"/.exec(answer) ?? [];
  return [status, reason].filter((part) => part !== undefined).join(" ");
}

/** How often each kind came. */
export function countKinds(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of outcomes) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
