import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { connectDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { createTenantSecrets, providerChecks } from "@repo/tenant-secrets";
import { beforeAll, expect, test } from "vitest";
import { createFixture, listen, operator, product, serve, type Fixture } from "./testing/fixture.ts";
import { checks, ownCatalog, provider, verifiers } from "./testing/own-product.ts";
import { cli, type Environment } from "./testing/run-cli.ts";

const catalogFile = fileURLToPath(new URL("testing/own-product.ts", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "own-catalog-"));
whenDone(async () => rmSync(folder, { recursive: true }));

let fixture: Fixture;
const asked: string[] = [];

beforeAll(async () => {
  fixture = await createFixture();
  const server = createServer((request, response) => {
    asked.push(String(request.headers.authorization));
    response.writeHead(200, { "content-type": "application/json" }).end('{"scopes":["mail.send"]}');
  });
  provider.url = await listen(server);
  whenDone(async () => void server.close());
  for (const subdomain of ["acmecorp", "codewiser"]) {
    await fixture.secrets.admin.companies.create(operator, { subdomain, secretStore: "database" });
    await fixture.secrets.company(subdomain, product).set("STRIPE_SECRET_KEY", "sk_test_fake_own_0001");
  }
});

/** An API with the catalogue of the module. @returns its URL */
async function startApi(): Promise<string> {
  const { DATABASE_URL: applicationUrl = "", DATABASE_MAINTENANCE_URL: maintenanceUrl = "" } = fixture.local;
  const database = connectDatabase({ applicationUrl, maintenanceUrl });
  const secrets = createTenantSecrets({
    database,
    infisical: fixture.infisical,
    catalog: ownCatalog,
    cache: false,
    checks: { ...providerChecks({ sendgrid: provider.url }), ...checks },
    verifiers,
  });
  const server = createServer(serve((url, init) => secrets.handler(new Request(url, init))));
  whenDone(async () => {
    server.close();
    server.closeAllConnections();
    await database.close();
  });
  return listen(server);
}

test.for([
  ["over HTTP", "acmecorp"],
  ["in process", "codewiser"],
] as const)(
  "an own entry is set, read, listed, exported, imported, checked and removed by the command line, %s",
  async ([way, company]) => {
    const apiKey = await fixture.apiKey([company]);
    const exporter = await fixture.apiKey([company], { verbs: ["export"] });
    const where: Environment =
      way === "in process"
        ? { ...fixture.local, SENDGRID_API_URL: provider.url }
        : { TENANT_SECRETS_URL: await startApi() };
    const run = (args: readonly string[], input?: string, credential = apiKey) =>
      cli(
        [...args, "--company", company],
        { ...where, SECRETS_CATALOG: catalogFile, TENANT_SECRETS_API_KEY: credential },
        input,
      );

    expect(await run(["set", "PARCEL_API_KEY"], "pk_fake0001")).toMatchObject({ exitCode: 0 });
    expect(await run(["get", "PARCEL_API_KEY"])).toMatchObject({ exitCode: 0, stdout: "pk_fake0001" });
    const listed = await run(["list"]);
    expect(listed.stdout).toMatch(/PARCEL_API_KEY +1 /);
    expect(listed.stdout).not.toMatch(/PARCEL_API_KEY.*not in the catalogue/);
    expect(listed.stdout).toMatch(/STRIPE_SECRET_KEY.*not in the catalogue/);
    expect(await run(["set", "PALLET_API_KEY"], "pl_fake0001")).toMatchObject({ exitCode: 0 });
    asked.length = 0;
    expect(await run(["check", "--all"])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/PALLET_API_KEY.*accepted[^]*PARCEL_API_KEY.*accepted/),
    });
    expect(asked.toSorted()).toEqual(["Bearer pk_fake0001", "Pallet pl_fake0001"]);
    expect(await run(["remove", "PALLET_API_KEY", "--yes"])).toMatchObject({ exitCode: 0 });

    const file = path.join(folder, `${company}.env`);
    const exported = await run(
      ["export", "--format", "env", "--output", file, "--purpose", "hand-over"],
      "",
      exporter,
    );
    expect(exported).toMatchObject({ exitCode: 0 });
    expect(readFileSync(file, "utf8")).toContain("PARCEL_API_KEY=pk_fake0001");
    writeFileSync(file, "PARCEL_API_KEY=pk_fake0002\n");
    expect(await run(["import", file, "--yes"])).toMatchObject({ exitCode: 0 });
    expect(await run(["get", "PARCEL_API_KEY"])).toMatchObject({ stdout: "pk_fake0002" });
    expect(await run(["remove", "PARCEL_API_KEY", "--yes"])).toMatchObject({ exitCode: 0 });
    expect(await run(["get", "PARCEL_API_KEY"])).toMatchObject({ exitCode: 3 });

    for (const args of [
      ["get", "STRIPE_SECRET_KEY"],
      ["set", "SENDGRID_API_KEY"],
    ]) {
      const refused = await run(args, "SG.fake_fake.fake_fake");
      expect(refused).toMatchObject({ exitCode: 6 });
      expect(refused.stderr).toContain("is not in the catalogue");
    }
  },
);
