import { readFileSync } from "node:fs";
import { z } from "zod";
import type { InfisicalEmulator } from "./index.ts";

const exchange = z.object({
  name: z.string(),
  /** Whose token is sent; a log-in that succeeds gives it. */
  as: z.string().optional(),
  /** In place of that token. */
  authorization: z.string().optional(),
  ifNoneMatch: z.string().optional(),
  /** Sent at the same time as the line before. */
  together: z.boolean().optional(),
  /** How much later than the line before it was sent. */
  afterMs: z.number().optional(),
  /** Recorded on another server, which limits the rate of requests. */
  server: z.literal("limited").optional(),
  method: z.string(),
  path: z.string(),
  query: z.record(z.string(), z.string()).optional(),
  body: z.record(z.string(), z.unknown()).optional(),
  /** A body that is not a JSON object, of the content type `type`. */
  text: z.string().optional(),
  type: z.string().optional(),
  status: z.number(),
  headers: z.record(z.string(), z.string()).optional(),
  answer: z.unknown().optional(),
});
export type Exchange = z.output<typeof exchange>;

/**
 * Requests to a server of October 2024 and its responses, one exchange a line, in the order of execution. Times, tokens
 * and overlong bodies are left out.
 */
export const recordedExchanges: readonly Exchange[] = readFileSync(
  new URL("recorded-exchanges.jsonl", import.meta.url),
  "utf8",
)
  .trim()
  .split("\n")
  .map((line) => exchange.parse(JSON.parse(line)));

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

type Identities = Readonly<Record<string, { readonly clientId: string; readonly clientSecret: string }>>;

/** Sends recorded requests to an emulator, in the places of whose ids and tokens it puts those of the emulator. */
export function createReplay({ siteUrl }: InfisicalEmulator, identities: Identities) {
  const ids = createAlignment();
  const tokens = new Map<string, string>();
  let lastTag = "";

  const fill = (text: string, as: string | undefined) =>
    text
      .replaceAll(/<client (id|secret) of (\w+)>/g, (_, field: string, who: string) => {
        const identity = identities[who];
        return (field === "id" ? identity?.clientId : identity?.clientSecret) ?? "";
      })
      .replaceAll("<token>", () => tokens.get(as ?? "") ?? "")
      .replaceAll(/<(\d+) times x>/g, (_, times: string) => "x".repeat(Number(times)))
      .replaceAll(uuid, (id) => ids.actualOf(id) ?? id);

  const authorizationOf = ({ as, authorization }: Exchange) => {
    const token = tokens.get(as ?? "") ?? "";
    const [header = "", payload = ""] = token.split(".");
    if (authorization === "<bad signature>") return `Bearer ${header}.${payload}.${"A".repeat(43)}`;
    if (authorization === "<alg none>") {
      return `Bearer ${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${payload}.`;
    }
    if (authorization !== undefined) return fill(authorization, as);
    return token === "" ? undefined : `Bearer ${token}`;
  };

  return {
    async send(recorded: Exchange): Promise<Answer> {
      const { method, path, query, body, text, type, as, ifNoneMatch } = recorded;
      const isLogIn = path.endsWith("/login");
      const search = query === undefined ? "" : `?${new URLSearchParams(query).toString()}`;
      const authorization = isLogIn ? undefined : authorizationOf(recorded);
      const content = text ?? (body && fill(JSON.stringify(body), as));
      const response = await fetch(siteUrl + fill(path, as) + search, {
        method,
        headers: {
          ...(authorization === undefined ? {} : { authorization }),
          ...(content === undefined ? {} : { "content-type": type ?? "application/json" }),
          ...(ifNoneMatch === undefined ? {} : { "if-none-match": lastTag }),
        },
        ...(content === undefined ? {} : { body: content }),
      });
      lastTag = response.headers.get("etag") ?? "";
      const answered = await response.text();
      const parsed: unknown = answered === "" ? undefined : JSON.parse(answered);
      const token = z.object({ accessToken: z.string() }).safeParse(parsed).data?.accessToken;
      if (as !== undefined && token !== undefined) tokens.set(as, token);
      return { status: response.status, headers: response.headers, body: parsed };
    },
    /** The answer as it had to be recorded: with the recorded ids, and placeholders for times and tokens. */
    inRecordedWords: (recorded: Exchange, answer: Answer): unknown => ids.align(recorded.answer, answer.body),
  };
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;
const items = z.array(z.object({ id: z.string() }).loose());

/** Ids differ from server to server. Each recorded one has to stand for one of the emulator's, everywhere. */
function createAlignment() {
  const actual = new Map<string, string>();
  const recorded = new Map<string, string>();

  const alignText = (wanted: unknown, text: string) => {
    if (text.length > 1_000 && /^x+$/.test(text)) return `<${text.length} times x>`;
    if (wanted === "<date>" && !Number.isNaN(Date.parse(text))) return wanted;
    if (wanted === "<token>" && text.split(".").length === 3) return wanted;
    if (typeof wanted !== "string" || text.match(uuid)?.[0] !== text) return text;
    if (!actual.has(wanted) && !recorded.has(text)) {
      actual.set(wanted, text);
      recorded.set(text, wanted);
    }
    return recorded.get(text) ?? text;
  };

  const align = (wanted: unknown, value: unknown): unknown => {
    if (typeof value === "string") return alignText(wanted, value);
    if (Array.isArray(value)) return alignItems(wanted, value);
    if (typeof value !== "object" || value === null) return value;
    const model = new Map(typeof wanted === "object" && wanted !== null ? Object.entries(wanted) : []);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, align(model.get(key), item)]));
  };

  // Secrets come in the order of ids, which is another on each server.
  const alignItems = (wanted: unknown, value: readonly unknown[]): unknown[] => {
    const models = items.safeParse(wanted).data;
    const left = items.safeParse(value).data;
    if (models === undefined || left === undefined) {
      return value.map((item, index) => align(Array.isArray(wanted) ? wanted[index] : undefined, item));
    }
    const sorted = models.flatMap((model) => {
      const isSame = (item: { id: string }) => actual.get(model.id) === item.id;
      const isLike = (item: Record<string, unknown>) =>
        !recorded.has(String(item["id"])) &&
        ["secretKey", "name", "secretPath"].every((key) => item[key] === model[key]);
      const known = left.findIndex(isSame);
      const index = known === -1 && !actual.has(model.id) ? left.findIndex(isLike) : known;
      return index === -1 ? [] : left.splice(index, 1).map((item) => align(model, item));
    });
    return [...sorted, ...left];
  };

  return { align, actualOf: (id: string) => actual.get(id) };
}
