import { listenForChanges } from "@repo/db";
import postgres from "postgres";
import { startDeployment, type Deployment } from "./deployment.ts";
import { interleaved, latencies, median, perSecond, ratioOf, short } from "./measuring.ts";
import { populate, secretKeyOf, subdomainOf } from "./population.ts";
import { throughputRow, type Row } from "./row.ts";
import { meet, product, serve } from "./serving.ts";

const population = { companies: 100, secretsOfEach: 10 };
const lanes = 32;
const forMs = 1500;
const listeners = 3;

/**
 * What it costs writers that every commit tells the other processes: a NOTIFY lets transactions commit one after the other
 * only. As many writes as there can be, with the triggers that send it and without, once through the library and once
 * by statements that do nothing else, of which there are more than a thousand a second.
 */
export async function benchInvalidation(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    await populate(deployment, population);
    const listening = await Promise.all(Array.from({ length: listeners }, () => listen(deployment)));
    const triggers = openTriggers(deployment);
    const serving = await serve(deployment, { maxConnections: lanes });
    await meet(serving, population.companies);
    const bare = postgres(deployment.superuserUrl, { max: lanes, onnotice: () => {} });
    const companies = await bare<{ id: string }[]>`select id from companies order by subdomain`;

    const compare = async (what: string, write: (i: number) => Promise<unknown>): Promise<number> => {
      const results = await interleaved(
        async () => {
          await triggers.disable();
          return perSecond({ lanes, forMs }, write);
        },
        async () => {
          await triggers.enable();
          return perSecond({ lanes, forMs }, write);
        },
      );
      return ratioOf(what, "a second", results);
    };
    const spread = (i: number) =>
      [i % population.companies, secretKeyOf(i % population.secretsOfEach)] as const;
    const update = (i: number) => {
      const [company, secretKey] = spread(i);
      return bare`update company_secrets set updated_at = now()
        where company_id = ${companies[company]?.id ?? ""} and secret_key = ${secretKey}`;
    };
    const alone = median(await latencies(200, update));
    console.log(
      `one connection alone commits an update in ${short(alone)} ms: with notifications, all together do ${short(1000 / alone)} a second at best`,
    );
    // No row, since PostgreSQL decides it.
    await compare(
      `${lanes} connections that update one row each time, ${listeners + 1} processes told`,
      update,
    );
    const what = `${lanes} writers that set secrets, ${listeners + 1} processes told`;
    const ratio = await compare(what, (i) => {
      const [company, secretKey] = spread(i);
      return serving.secrets
        .company(subdomainOf(company), product)
        .set(secretKey, `fake-value-of-write-${i}`);
    });
    await Promise.all([serving.stop(), bare.end(), triggers.stop(), ...listening.map((each) => each.stop())]);
    const against = "the same without notifications";
    return [throughputRow({ name: "invalidation.set", what, against, ratio, target: 0.85 })];
  } finally {
    await deployment.stop();
  }
}

/** Another process, as far as the database can tell. */
function listen({ urls }: Deployment) {
  return listenForChanges({ listenerUrl: urls.listener, onChange: () => {}, onGap: () => {} });
}

/** The triggers that send notifications of secrets. */
function openTriggers({ superuserUrl }: Deployment) {
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} });
  const turn = async (how: "enable" | "disable"): Promise<void> => {
    const triggers = await sql<{ name: string; relation: string }[]>`
      select t.tgname as name, t.tgrelid::regclass::text as relation
      from pg_trigger t join pg_proc p on p.oid = t.tgfoid
      where t.tgrelid in ('company_secrets'::regclass, 'company_secret_versions'::regclass)
        and p.prosrc like '%pg_notify%'`;
    if (triggers.length === 0) throw new Error("No trigger sends notifications.");
    for (const { name, relation } of triggers) {
      await sql.unsafe(`alter table ${relation} ${how} trigger ${name}`);
    }
  };
  return { enable: () => turn("enable"), disable: () => turn("disable"), stop: () => sql.end() };
}
