import { connectDatabase, databaseVariables } from "@repo/db";
import { readEnvironment } from "@repo/environment";
import { environmentVariables } from "./env.ts";

// Prints the stored rows of the secrets, as a reader of the database sees them.

const { DATABASE_MAINTENANCE_URL } = databaseVariables;
const { DATABASE_MAINTENANCE_URL: url } = readEnvironment(
  { DATABASE_MAINTENANCE_URL },
  environmentVariables(),
);
const database = connectDatabase({ applicationUrl: url, maintenanceUrl: url });
try {
  const rows = await database.outsideCompanies(
    (sql) => sql<
      { subdomain: string; secret_key: string; version: number | null; encrypted: string | null }[]
    >`
      select subdomain, secret_key, current_version as version, secret_value_encrypted as encrypted
      from company_secrets join companies on companies.id = company_id
      order by subdomain, secret_key`,
  );
  for (const { subdomain, secret_key, version, encrypted } of rows) {
    console.log(`${subdomain}  ${secret_key}  version ${version ?? "-"}  ${encrypted ?? "(removed)"}`);
  }
} finally {
  await database.close();
}
