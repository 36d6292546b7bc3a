import { TenantSecretsError, parseJson } from "@repo/catalog";

/** What sends a request; `globalThis.fetch` is one. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** The server runs no more calls than this of one request. */
export const maxBatchSize = 10;

/** The part of a request that the client's library sets. */
interface Outgoing {
  readonly method?: string | undefined;
  readonly headers?: unknown;
  readonly body?: unknown;
  readonly signal?: AbortSignal | null | undefined;
}

export interface Sending {
  readonly fetch: Fetch;
  readonly timeoutMs: number;
}

/**
 * @param url where the API is, with a path or without
 * @returns the address that procedures are below
 * @throws {TenantSecretsError} INVALID_INPUT, which does not quote it: it may hold a password
 */
export function apiAddress(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !["http:", "https:"].includes(parsed.protocol)) {
    throw invalid("The API's address has no scheme, or is none: write it as https://secrets.example.com.");
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw invalid(
      "The API's address holds a user name or a password: leave them out, and give a credential.",
    );
  }
  if (parsed.search !== "" || parsed.hash !== "") {
    throw invalid("The API's address ends with a query or a fragment: leave out what follows the path.");
  }
  return `${parsed.href.replace(/\/+$/, "")}/trpc`;
}

/** The longest that a timer of the platform waits, about 24 days; what is longer ends at once. */
const maxTimeoutMs = 2_147_483_647;

/** @throws {TenantSecretsError} INVALID_INPUT for what is no time to wait */
export function checkedTimeout(timeoutMs: number): number {
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= maxTimeoutMs) return timeoutMs;
  throw invalid(`The client's timeoutMs is a whole number of milliseconds from 1 to ${maxTimeoutMs}.`);
}

/** @throws {TenantSecretsError} INVALID_INPUT where it could not stand in a header; a platform's own error would quote it */
export function authorization(credential: string): string {
  if (/^[\x21-\x7e]+$/.test(credential)) return `Bearer ${credential}`;
  throw invalid(
    "The credential is empty, or holds white space or a character that no header takes: leave out the newline at its end.",
  );
}

/**
 * Sends a request of the typed client and reads the answer, both within the deadline. It follows no redirect, which would send
 * the credential and the value to another address.
 *
 * @returns what the library reads of an answer: JSON in the form of the API, whatever the status
 * @throws {TenantSecretsError} STORE_UNAVAILABLE with what to do, and for logs with the platform's code; never with the
 *   address or a text that came from elsewhere
 */
export async function sendToApi(
  { fetch, timeoutMs }: Sending,
  url: string,
  { method = "GET", headers, body, signal }: Outgoing,
): Promise<Pick<Response, "ok" | "status"> & { json(): Promise<unknown> }> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  try {
    const response = await fetch(url, {
      method,
      headers: new Headers(Object.entries(Object(headers)).map(([name, value]) => [name, String(value)])),
      body: typeof body === "string" ? body : null,
      redirect: "manual",
      signal: signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal,
    });
    const answer = await readAnswer(response);
    return { ok: response.ok, status: response.status, json: () => Promise.resolve(answer) };
  } catch (error) {
    if (error instanceof TenantSecretsError || signal?.aborted === true) throw error;
    if (deadline.signal.aborted) {
      throw unavailable(
        `No answer came within ${timeoutMs} ms. A write may have happened: send it again with the same requestId, and it happens once.`,
        "TIMEOUT",
      );
    }
    throw unreachable(codeOf(error));
  } finally {
    clearTimeout(timer);
  }
}

async function readAnswer(response: Response): Promise<unknown> {
  const { status, headers } = response;
  // A browser hides where a redirect leads to, and that it has a status.
  if (response.type === "opaqueredirect" || (status >= 300 && status < 400)) {
    await response.body?.cancel();
    throw unavailable(
      "The API's address answers with a redirect, which is not followed: it would take the credential elsewhere. Set the address that it leads to, after looking at it.",
      `REDIRECT ${status}`,
    );
  }
  const text = await response.text();
  const json = parseJson(text);
  if (isOfTheApi(json)) return json;
  const isPage = /html/i.test(headers.get("content-type") ?? "") || /^\s*</.test(text);
  if (status === 502 || status === 503 || status === 504) {
    throw unavailable(
      `What stands before the API answered in its place (HTTP ${status}): the API is down or busy. Try again in a moment.`,
      `${isPage ? "HTML" : "OTHER"} ${status}`,
      secondsOf(headers.get("retry-after")),
    );
  }
  throw unavailable(
    isPage
      ? `A page of HTML came in place of an answer (HTTP ${status}): check the API's address, and that no log-in page or proxy stands before it.`
      : `What answers at the API's address is not this API (HTTP ${status}): check the address and its path.`,
    `${isPage ? "HTML" : json === undefined ? "NO_JSON" : "OTHER_JSON"} ${status}`,
  );
}

/** One answer or a list of them, each a result or an error. */
function isOfTheApi(json: unknown): boolean {
  const answers: readonly unknown[] = Array.isArray(json) ? json : [json];
  return (
    answers.length > 0 &&
    answers.every((answer) => isObject(answer) && ("result" in answer || "error" in answer))
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** The code of a failed `fetch` is that of one of its causes; browsers do not say it. */
function codeOf(error: unknown): string | undefined {
  for (let cause = error, depth = 0; isObject(cause) && depth < 5; depth++) {
    if ("code" in cause && typeof cause.code === "string") return cause.code;
    cause = cause instanceof AggregateError ? cause.errors[0] : Reflect.get(cause, "cause");
  }
  return undefined;
}

const certificate = "The certificate at the API's address is";
const advice: readonly (readonly [codes: RegExp, sentence: string])[] = [
  [/^ECONNREFUSED$/, "Nothing listens at the API's address: check host and port, and whether the API runs."],
  [/^ENOTFOUND$/, "The host of the API's address is not in the DNS: check its spelling."],
  [
    /^EAI_/,
    "The host of the API's address cannot be looked up at the moment: check the network's DNS, and try again.",
  ],
  [
    /^(?:EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EACCES)$/,
    "No way leads to the API's address: check network and firewall.",
  ],
  [
    /^(?:ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/,
    "Nothing answers at the API's address: check host and port, network and firewall.",
  ],
  [
    /^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/,
    `${certificate} not valid today: renew it, or set this machine's clock.`,
  ],
  [
    /^(?:ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/,
    `${certificate} for another host: use the name that it is for.`,
  ],
  [
    /CERT|^UNABLE_TO_|^INVALID_CA$/,
    `${certificate} not trusted here: start Node with NODE_EXTRA_CA_CERTS, the path of your authority's certificate.`,
  ],
  [
    /^(?:EPROTO|ERR_SSL_.*)$/,
    "What answers at the API's address does not speak TLS as it should: check port and scheme, https or http.",
  ],
  [
    /^(?:ECONNRESET|EPIPE|UND_ERR_.*)$/,
    "The connection broke before the answer was complete. A write may have happened: send it again with the same requestId, and it happens once.",
  ],
];

function unreachable(code: string | undefined): TenantSecretsError {
  const [, sentence] = advice.find(([codes]) => code !== undefined && codes.test(code)) ?? [];
  return unavailable(
    sentence ??
      "The secrets API could not be reached: check its address and the network, and in a browser that the API's ALLOWED_ORIGINS has this page's origin.",
    code ?? "UNKNOWN",
  );
}

/** Of the header of RFC 9110, 10.2.3, the form that is a number. */
function secondsOf(retryAfter: string | null): number | undefined {
  return retryAfter !== null && /^\d{1,5}$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
}

function unavailable(message: string, diagnosis: string, retryAfterMs?: number): TenantSecretsError {
  return new TenantSecretsError("STORE_UNAVAILABLE", message, { diagnosis, retryAfterMs });
}

function invalid(message: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", message);
}
