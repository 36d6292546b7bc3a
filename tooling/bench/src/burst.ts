import type { Caller } from "@repo/tenant-secrets";
import postgres from "postgres";
import { startDeployment, type Deployment } from "./deployment.ts";
import { populate, primingKey, secretKeyOf, subdomainOf, valueOf } from "./population.ts";
import { countRow, type Row } from "./row.ts";
import { product, serve, type Serving } from "./serving.ts";

const reads = 1000;
const operator: Caller = { actor: { kind: "operator", id: "bench" } };
/** Companies whose secrets only Infisical has. */
const [mapInfisicalErrors, hybrid] = ["on-infisical", "hybrid"] as const;
const elsewhere = [
  [mapInfisicalErrors, "infisical"],
  [hybrid, "hybrid"],
] as const;

/**
 * Concurrent first reads of one secret, in a process that has resolved the company: the number of queries to the database or
 * Infisical. PostgreSQL counts the statements, and Infisical the requests.
 */
export async function benchBurst(): Promise<Row[]> {
  const deployment = await startDeployment({ shared_preload_libraries: "pg_stat_statements" });
  try {
    await populate(deployment, { companies: 1, secretsOfEach: 1 });
    for (const [subdomain, secretStore] of elsewhere) {
      await deployment.secrets.companies.create(operator, { subdomain, secretStore });
      for (const secretKey of [primingKey, secretKeyOf(0)]) {
        await deployment.client.putSecret(`/tenants/${subdomain}`, secretKey, valueOf(subdomain, secretKey));
      }
    }
    const serving = await serve(deployment);
    const counts = await openCounts(deployment);
    const measure = async (subdomain: string) => {
      await readAtOnce(serving, { subdomain, secretKey: primingKey, times: 1 });
      // What the first read leaves to be written is not this one's.
      await serving.secrets.flush();
      await counts.invalidate();
      const requests = await deployment.infisicalRequests();
      const answered = await readAtOnce(serving, { subdomain, secretKey: secretKeyOf(0), times: reads });
      const found = {
        queries: await counts.queries(),
        requests: (await deployment.infisicalRequests()) - requests,
      };
      console.log(
        `${reads} at once from ${subdomain}: ${answered} answered, ${found.queries} queries, ${found.requests} requests to Infisical`,
      );
      return found;
    };
    const first = `${reads} concurrent first reads of one secret`;
    const database = await measure(subdomainOf(0));
    const infisical = await measure(mapInfisicalErrors);
    const both = await measure(hybrid);
    await counts.stop();
    await serving.stop();
    return [
      countRow({
        name: "burst.database",
        what: `${first}: queries`,
        against: "–",
        ratio: database.queries,
        target: 1,
      }),
      countRow({
        name: "burst.infisical",
        what: `${first} in Infisical: requests`,
        against: "–",
        ratio: infisical.requests,
        target: 1,
      }),
      countRow({
        name: "burst.hybrid",
        what: `${first} that only Infisical has, of a hybrid company: requests`,
        against: "–",
        ratio: both.requests,
        target: 1,
      }),
    ];
  } finally {
    await deployment.stop();
  }
}

interface BurstOfReads {
  readonly subdomain: string;
  readonly secretKey: ReturnType<typeof secretKeyOf> | typeof primingKey;
  readonly times: number;
}

/** @returns how many answered with the value */
async function readAtOnce(
  { secrets }: Serving,
  { subdomain, secretKey, times }: BurstOfReads,
): Promise<number> {
  const handle = secrets.company(subdomain, product);
  const answers = await Promise.allSettled(Array.from({ length: times }, () => handle.get(secretKey)));
  const value = valueOf(subdomain, secretKey);
  return answers.filter((answer) => answer.status === "fulfilled" && answer.value === value).length;
}

/**
 * Counts the queries of the application's role. Writes to the audit log, transaction statements and the driver's type queries
 * on new connections are excluded.
 */
async function openCounts({ superuserUrl }: Deployment) {
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} });
  await sql`create extension pg_stat_statements`;
  return {
    invalidate: () => sql`select pg_stat_statements_reset()`,
    queries: async (): Promise<number> => {
      const [row] = await sql<{ calls: number }[]>`
        select coalesce(sum(calls), 0)::integer as calls from pg_stat_statements
        where userid = 'tenant_secrets_application'::regrole and query ~* '^\\s*(select|with)' and query !~ 'pg_type'`;
      return row?.calls ?? 0;
    },
    stop: () => sql.end(),
  };
}
