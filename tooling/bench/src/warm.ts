import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { startDeployment } from "./deployment.ts";
import { interleaved, ratioOf } from "./measuring.ts";
import { populate, secretKeyOf, subdomainOf, valueOf } from "./population.ts";
import { row, type Row } from "./row.ts";
import { meet, product, serve, type Serving } from "./serving.ts";

const companies = 100;
const secretsOfEach = 10;
const forMs = 500;
/** How many reads come between two turns of the event loop, in which the audit log and everything else gets its share. */
const burst = 100;

/**
 * A cached read in process against bare AES-256-GCM decryption of the same bytes, without company, permission, cache or
 * audit log. 1,000 secrets in turn, or one secret repeatedly.
 */
export async function benchWarm(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    await populate(deployment, { companies, secretsOfEach });
    const serving = await serve(deployment);
    await meet(serving, companies);
    const boxes = sealAll();
    const measure = async (name: string, secrets: number): Promise<Row> => {
      await readAll(serving, secrets);
      const results = await interleaved(
        () => microseconds((i) => boxes[i % secrets]?.open()),
        () => microseconds((i) => read(serving, i % secrets)),
      );
      const what = secrets === 1 ? "warm get, of one secret" : `warm get, of ${secrets} secrets in turn`;
      return row({
        name,
        what,
        against: "one bare AES-256-GCM open",
        ratio: ratioOf(what, "µs", results),
        target: 1.3,
      });
    };
    const rows = [await measure("warm.get", companies * secretsOfEach), await measure("warm.get-one", 1)];
    await serving.stop();
    return rows;
  } finally {
    await deployment.stop();
  }
}

function read({ secrets }: Serving, i: number): Promise<string> {
  return secrets.company(subdomainOf(i % companies), product).get(secretKeyOf(Math.floor(i / companies)));
}

/** Fills the cache, and sees that each value is the right one. */
async function readAll(serving: Serving, secrets: number): Promise<void> {
  for (let i = 0; i < secrets; i++) {
    if ((await read(serving, i)) !== textOf(i)) throw new Error("A read answered with another value.");
  }
}

const textOf = (i: number): string =>
  valueOf(subdomainOf(i % companies), secretKeyOf(Math.floor(i / companies)));

/** What one call takes, in microseconds. */
async function microseconds(call: (i: number) => unknown): Promise<number> {
  let calls = 0;
  const startedAt = performance.now();
  let now = startedAt;
  for (; now < startedAt + forMs; now = performance.now()) {
    for (let end = calls + burst; calls < end; calls++) {
      const result = call(calls);
      // A bare open is not made to wait for a promise that it does not need.
      if (result instanceof Promise) await result;
    }
    await turn();
  }
  return (1000 * (now - startedAt)) / calls;
}

interface Box {
  open(): string;
}

/** The same texts, sealed under a key for each company and with as much additional data as the library's. */
function sealAll(): Box[] {
  const keys = Array.from({ length: companies }, () => createSecretKey(randomBytes(32)));
  return Array.from({ length: companies * secretsOfEach }, (_, i) =>
    sealOne(keys[i % companies] ?? createSecretKey(randomBytes(32)), textOf(i)),
  );
}

function sealOne(key: KeyObject, text: string): Box {
  const iv = randomBytes(12);
  const context = randomBytes(68);
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: 16 }).setAAD(context);
  const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  const tag = cipher.getAuthTag();
  return {
    open: () => {
      const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: 16 });
      decipher.setAAD(context);
      decipher.setAuthTag(tag);
      const opened = decipher.update(body);
      decipher.final();
      return opened.toString("utf8");
    },
  };
}
