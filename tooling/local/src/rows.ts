import { connectDatabase, databaseVariables } from "@repo/db";
import { readEnvironment } from "@repo/environment";
import { environmentVariables } from "./env.ts";

// Shows what the database has of the secrets, as somebody who got hold of it would see it.

const { DATABASE_MAINTENANCE_URL } = databaseVariables;
const { DATABASE_MAINTENANCE_URL: url } = readEnvironment(
  { DATABASE_MAINTENANCE_URL },
  environmentVariables(),
);
const database = connectDatabase({ applicationUrl: url, maintenanceUrl: url });
try {
  const rows = await database.outsideCompanies(
    (sql) => sql<{ subdomain: string; secret_key: string; version: number | null; sealed: string | null }[]>`
      select subdomain, secret_key, current_version as version, secret_value_encrypted as encrypted
      from company_secrets join companies on companies.id = company_id
      order by subdomain, secret_key`,
  );
  for (const { subdomain, secret_key, version, sealed } of rows) {
    console.log(`${subdomain}  ${secret_key}  version ${version ?? "-"}  ${sealed ?? "(removed)"}`);
  }
} finally {
  await database.close();
}
