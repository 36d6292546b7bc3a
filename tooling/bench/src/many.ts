import postgres from "postgres";
import { startDeployment } from "./deployment.ts";
import { interleaved, median, ratioOf, timed } from "./measuring.ts";
import { populate, secretKeyOf, subdomainOf, valueOf } from "./population.ts";
import { row, type Row } from "./row.ts";
import { meet, product, serve, type Serving } from "./serving.ts";

const population = { companies: 120, secretsOfEach: 200 };
/** As many as one call takes. */
const ofOneCall = 100;
const callsOfEachPair = 20;

/** A hundred secrets of one company in one call, against one statement for the same rows. */
export async function benchMany(): Promise<Row[]> {
  const deployment = await startDeployment();
  const superuser = postgres(deployment.superuserUrl, { max: 1, onnotice: () => {} });
  try {
    await populate(deployment, population);
    const serving = await serve(deployment);
    await meet(serving, population.companies);
    const rows = [await benchGetMany(serving, superuser), await benchSetMany(serving, superuser)];
    await serving.stop();
    return rows;
  } finally {
    await superuser.end();
    await deployment.stop();
  }
}

async function benchGetMany(serving: Serving, superuser: postgres.Sql): Promise<Row> {
  const what = `getMany of ${ofOneCall}, cold`;
  const [plain, measured] = [eachCall(), eachCall()];
  const results = await interleaved(
    () =>
      plain(async (company, secretKeys) => {
        const rows = await superuser`
          select s.secret_value_encrypted from company_secrets s join companies c on c.id = s.company_id
          where c.subdomain = ${subdomainOf(company)} and s.secret_key = any(${[...secretKeys]})`;
        if (rows.length !== ofOneCall) throw new Error("Rows are not there.");
      }),
    () =>
      measured(async (company, secretKeys) => {
        const subdomain = subdomainOf(company);
        const values = await serving.secrets.company(subdomain, product).getMany(secretKeys);
        for (const secretKey of secretKeys)
          if (values[secretKey] !== valueOf(subdomain, secretKey))
            throw new Error("A read answered with another value.");
      }),
  );
  await serving.settle();
  return row({
    name: "many.get",
    what,
    against: "one bare select of the same rows",
    ratio: ratioOf(what, "ms", results),
    target: 2,
  });
}

/** Each secret is read once by each side. */
function eachCall() {
  let next = 0;
  return async (
    call: (company: number, secretKeys: readonly ReturnType<typeof secretKeyOf>[]) => Promise<void>,
  ): Promise<number> => {
    const samples: number[] = [];
    for (let i = 0; i < callsOfEachPair; i++, next++) {
      const [company, half] = [next % population.companies, Math.floor(next / population.companies)];
      const secretKeys = Array.from({ length: ofOneCall }, (_, key) => secretKeyOf(half * ofOneCall + key));
      samples.push(await timed(() => call(company, secretKeys)));
    }
    return median(samples);
  };
}

async function benchSetMany(serving: Serving, superuser: postgres.Sql): Promise<Row> {
  // With all of their constraints and indexes, and without triggers.
  await superuser`create table bulk_heads (like company_secrets including all)`;
  await superuser`create table bulk_versions (like company_secret_versions including all)`;
  const what = `setMany of ${ofOneCall} new secrets`;
  let [copies, written] = [0, 0];
  const results = await interleaved(
    async () => {
      const samples: number[] = [];
      for (let i = 0; i < callsOfEachPair; i++) {
        const prefix = `COPY_${copies++}_`;
        samples.push(await timed(() => insertInBulk(superuser, subdomainOf(i), prefix)));
      }
      return median(samples);
    },
    async () => {
      const samples: number[] = [];
      for (let i = 0; i < callsOfEachPair; i++) {
        const batch = written++;
        const values = Object.fromEntries(
          Array.from({ length: ofOneCall }, (_, key) => [
            `CUSTOM_NEW_${batch}_${key}`,
            `fake-${batch}-${key}`,
          ]),
        );
        samples.push(await timed(() => serving.secrets.company(subdomainOf(i), product).setMany(values)));
      }
      return median(samples);
    },
  );
  return row({
    name: "many.set",
    what,
    against: "one bulk INSERT of as many heads and versions",
    ratio: ratioOf(what, "ms", results),
    target: 4,
  });
}

/** A hundred heads and their versions, copied from other secrets of the company under new names. */
async function insertInBulk(superuser: postgres.Sql, subdomain: string, prefix: string): Promise<void> {
  await superuser.begin(async (sql) => {
    await sql`
      insert into bulk_heads (company_id, secret_key, secret_value_encrypted, company_key_version, current_version, last_version, origin, mac_key_version, mac)
      select s.company_id, ${prefix} || s.secret_key, secret_value_encrypted, company_key_version, current_version, last_version, origin, s.mac_key_version, s.mac
      from company_secrets s join companies c on c.id = s.company_id where c.subdomain = ${subdomain} and s.secret_key like 'CUSTOM_%' limit ${ofOneCall}`;
    await sql`
      insert into bulk_versions (company_id, secret_key, version, fingerprint, actor_kind, actor_id)
      select v.company_id, ${prefix} || v.secret_key, version, fingerprint, actor_kind, actor_id
      from company_secret_versions v join companies c on c.id = v.company_id where c.subdomain = ${subdomain} and v.secret_key like 'CUSTOM_%' limit ${ofOneCall}`;
  });
}
