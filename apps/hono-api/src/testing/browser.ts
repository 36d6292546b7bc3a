import { send, sendJson, type Answer } from "./raw-http.ts";

type Headers = Readonly<Record<string, string>>;

export interface TestBrowser {
  post(path: string, body: unknown, more?: Headers): Promise<Answer>;
  /** @param more headers that the page sets, or another page's in place of ours */
  get(path: string, more?: Headers): Promise<Answer>;
}

/**
 * A browser on our own page, with its cookies.
 *
 * @param url where the API listens
 * @param origin of the page, as `PUBLIC_URL` names it
 */
export function openBrowser(url: string, origin: string): TestBrowser {
  const jar = new Map<string, string>();
  const headers = (more: Headers = {}) => ({
    origin,
    "sec-fetch-site": "same-origin",
    ...(jar.size > 0 && { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") }),
    ...more,
  });
  const keep = (answer: Answer): Answer => {
    for (const cookie of answer.headers["set-cookie"] ?? []) {
      const [pair = ""] = cookie.split(";");
      jar.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    return answer;
  };
  return {
    post: async (path, body, more) => keep(await sendJson(url, { path, body, headers: headers(more) })),
    get: async (path, more) => keep(await send(url, { path, headers: headers(more) })),
  };
}

/** The code of the error that was answered; undefined for a success. */
export function reasonOf({ body }: Answer): unknown {
  const { error } = JSON.parse(body);
  return error?.json?.data?.reason ?? error?.reason;
}
