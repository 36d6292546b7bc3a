import { send, sendJson, type Answer } from "./raw-http.ts";

export interface TestBrowser {
  post(path: string, body: unknown): Promise<Answer>;
  get(path: string): Promise<Answer>;
}

/**
 * A browser on our own page, with its cookies.
 *
 * @param url where the API listens
 * @param origin of the page, as `PUBLIC_URL` names it
 */
export function openBrowser(url: string, origin: string): TestBrowser {
  const jar = new Map<string, string>();
  const headers = () => ({
    origin,
    "sec-fetch-site": "same-origin",
    ...(jar.size > 0 && { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") }),
  });
  const keep = (answer: Answer): Answer => {
    for (const cookie of answer.headers["set-cookie"] ?? []) {
      const [pair = ""] = cookie.split(";");
      jar.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    return answer;
  };
  return {
    post: async (path, body) => keep(await sendJson(url, { path, body, headers: headers() })),
    get: async (path) => keep(await send(url, { path, headers: headers() })),
  };
}

/** The code of the error that was answered; undefined for a success. */
export function reasonOf({ body }: Answer): unknown {
  const { error } = JSON.parse(body);
  return error?.json?.data?.reason ?? error?.reason;
}
