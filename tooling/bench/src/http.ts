import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Dispatcher, Pool } from "undici";
import { z } from "zod";
import { startDeployment, type Deployment } from "./deployment.ts";
import { interleaved, perSecond, ratioOf } from "./measuring.ts";
import { populate, secretKeyOf, subdomainOf, valueOf } from "./population.ts";
import { throughputRow, type Row } from "./row.ts";

const companies = 10;
const secretsOfEach = 10;
const connections = 16;
const forMs = 1000;

/**
 * Reads of cached secrets over HTTP with an API key, against a procedure that does nothing behind the same application; and
 * lists with a person's session, against the same lists with an API key. The server has a process of its own; how busy this one is with asking is said, since a client at its limit would make all
 * servers look alike.
 */
export async function benchHttp(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    await populate(deployment, { companies, secretsOfEach });
    const api = await startApi(deployment);
    const client = new Pool(api.url, { connections, pipelining: 1 });
    const { read, nothing, listWithKey, listWithSession } = await callsOf(deployment, client, api);
    for (let i = 0; i < companies * secretsOfEach; i++) await read(i);

    const busy: number[] = [];
    const measure = async (call: (i: number) => Promise<unknown>): Promise<number> => {
      const before = performance.eventLoopUtilization();
      const rate = await perSecond({ lanes: connections, forMs }, call);
      busy.push(performance.eventLoopUtilization(before).utilization);
      return rate;
    };
    const results = await interleaved(
      () => measure(nothing),
      () => measure(read),
    );
    const what = "secrets.read over HTTP with an API key, warm";
    const ratio = ratioOf(what, "a second", results);
    const bareClient = new Pool(api.bareUrl, { connections, pipelining: 1 });
    const bareNothing = async (): Promise<void> => {
      const headers = { "content-type": "application/json" };
      const { statusCode, body } = await bareClient.request({
        method: "POST",
        path: "/empty/nothing",
        body: "{}",
        headers,
      });
      await body.text();
      if (statusCode !== 200) throw new Error(`The bare procedure answered ${statusCode}`);
    };
    const empties = await interleaved(
      () => measure(bareNothing),
      () => measure(nothing),
    );
    const empty = "an empty tRPC procedure in our application";
    const emptyRatio = ratioOf(empty, "a second", empties);
    await bareClient.close();
    const lists = await interleaved(
      () => measure(listWithKey),
      () => measure(listWithSession),
    );
    const list = "secrets.list over HTTP with a session";
    const listRatio = ratioOf(list, "a second", lists);
    console.log(`  the client was busy for ${(100 * Math.max(...busy)).toFixed(0)} % of the time at most`);
    await client.close();
    await api.stop();
    return [
      throughputRow({
        name: "http.read",
        what,
        against: "an empty tRPC procedure in the same application",
        ratio,
        target: 0.7,
      }),
      throughputRow({
        name: "http.empty",
        what: empty,
        against: "the same on a bare Hono",
        ratio: emptyRatio,
        target: 0.7,
      }),
      throughputRow({
        name: "http.session",
        what: list,
        against: "the same with an API key",
        ratio: listRatio,
        target: 0.7,
      }),
    ];
  } finally {
    await deployment.stop();
  }
}

const Answer = z.object({ result: z.object({ data: z.object({ json: z.object({ value: z.string() }) }) }) });

const list = `/trpc/secrets.list?input=${encodeURIComponent(JSON.stringify({ json: { company: subdomainOf(0) } }))}`;

async function callsOf({ secrets }: Deployment, client: Pool, { publicUrl, person }: Api) {
  const { apiKey } = await secrets.apiKeys.create(
    { actor: { kind: "operator", id: "bench" } },
    {
      name: "bench",
      companies: Array.from({ length: companies }, (_, i) => subdomainOf(i)),
      platform: true,
      verbs: ["describe", "use"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    },
  );
  const withKey = { authorization: `Bearer ${apiKey}` };
  const send = async (request: Omit<Dispatcher.RequestOptions, "origin">) => {
    const { statusCode, headers, body } = await client.request(request);
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${request.path} answered ${statusCode}: ${text}`);
    return { headers, text };
  };
  const post = async (path: string, body: string, headers: Headers = withKey) =>
    send({ method: "POST", path, body, headers: { ...headers, "content-type": "application/json" } });
  const get = async (headers: Headers): Promise<void> =>
    void (await send({ method: "GET", path: list, headers }));

  const signedIn = await post("/api/sign-in/email", JSON.stringify(person), { origin: publicUrl });
  const [cookie = ""] = [signedIn.headers["set-cookie"] ?? []].flat();
  const withSession = { cookie: cookie.slice(0, cookie.indexOf(";")) };
  const spots = Array.from({ length: companies * secretsOfEach }, (_, i) => {
    const [company, secretKey] = [subdomainOf(i % companies), secretKeyOf(Math.floor(i / companies))];
    return { body: JSON.stringify({ json: { company, secretKey } }), value: valueOf(company, secretKey) };
  });
  return {
    nothing: () => post("/empty/nothing", "{}"),
    read: async (i: number): Promise<void> => {
      const spot = spots[i % spots.length];
      const { text } = await post("/trpc/secrets.read", spot?.body ?? "");
      if (Answer.parse(JSON.parse(text)).result.data.json.value !== spot?.value)
        throw new Error("A read answered with another value.");
    },
    listWithKey: () => get(withKey),
    listWithSession: () => get(withSession),
  };
}

type Headers = Readonly<Record<string, string>>;

const Started = z.object({
  url: z.string(),
  bareUrl: z.string(),
  publicUrl: z.string(),
  person: z.object({ email: z.string(), password: z.string() }),
});
type Api = z.infer<typeof Started>;

async function startApi({ urls, superuserUrl, infisical }: Deployment) {
  const process = fileURLToPath(new URL("http-process.ts", import.meta.url));
  // The log is written as in production, and discarded.
  const child = fork(process, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  child.send({ urls, superuserUrl, infisical });
  const [started]: unknown[] = await once(child, "message");
  return {
    ...Started.parse(started),
    stop: async () => {
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
    },
  };
}
