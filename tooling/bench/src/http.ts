import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";
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
 * Reads of cached secrets over HTTP with an API key, against a procedure that does nothing behind the same application. The
 * server has a process of its own; how busy this one is with asking is said, since a client at its limit would make all
 * servers look alike.
 */
export async function benchHttp(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    await populate(deployment, { companies, secretsOfEach });
    const api = await startApi(deployment);
    const client = new Pool(api.url, { connections, pipelining: 1 });
    const { read, nothing } = await callsOf(deployment, client);
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
    ];
  } finally {
    await deployment.stop();
  }
}

const Answer = z.object({ result: z.object({ data: z.object({ json: z.object({ value: z.string() }) }) }) });

async function callsOf({ secrets }: Deployment, client: Pool) {
  const { apiKey } = await secrets.apiKeys.create(
    { actor: { kind: "operator", id: "bench" } },
    {
      name: "bench",
      companies: Array.from({ length: companies }, (_, i) => subdomainOf(i)),
      platform: true,
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    },
  );
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const post = async (path: string, body: string): Promise<string> => {
    const answer = await client.request({ method: "POST", path, headers, body });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}: ${text}`);
    return text;
  };
  const spots = Array.from({ length: companies * secretsOfEach }, (_, i) => {
    const [company, secretKey] = [subdomainOf(i % companies), secretKeyOf(Math.floor(i / companies))];
    return { body: JSON.stringify({ json: { company, secretKey } }), value: valueOf(company, secretKey) };
  });
  return {
    nothing: () => post("/empty/nothing", "{}"),
    read: async (i: number): Promise<void> => {
      const spot = spots[i % spots.length];
      const { result } = Answer.parse(JSON.parse(await post("/trpc/secrets.read", spot?.body ?? "")));
      if (result.data.json.value !== spot?.value) throw new Error("A read answered with another value.");
    },
  };
}

async function startApi({ urls, superuserUrl, infisical }: Deployment) {
  const process = fileURLToPath(new URL("http-process.ts", import.meta.url));
  // The log is written as in production, and discarded.
  const child = fork(process, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  child.send({ urls, superuserUrl, infisical });
  const [url]: unknown[] = await once(child, "message");
  return {
    url: z.string().parse(url),
    stop: async () => {
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
    },
  };
}
