import { connectDatabase, tables } from "@repo/db";
import { environmentVariables } from "./env.ts";

// Shows what the database has of the secrets, as somebody who got hold of it would see it.

const url = environmentVariables()["DATABASE_MAINTENANCE_URL"];
if (url === undefined) throw new Error("DATABASE_MAINTENANCE_URL is not set; the local start prints it.");
const database = connectDatabase({ applicationUrl: url, maintenanceUrl: url });
try {
  const [companies, rows] = await database.acrossCompanies(async (statements) => [
    await statements.select().from(tables.companies),
    await statements.select().from(tables.companySecrets),
  ]);
  const subdomains = new Map(companies.map(({ id, subdomain }) => [id, subdomain]));
  for (const row of rows.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime())) {
    const fields = [
      subdomains.get(row.companyId) ?? row.companyId,
      row.secretKey,
      `version ${row.currentVersion ?? "-"}`,
      row.secretValueEncrypted ?? "removed",
    ];
    console.log(fields.join("  "));
  }
} finally {
  await database.close();
}
