import { connectDatabase, inspectConnection } from "@repo/db";
import { findPgBouncer, startPgBouncer, startTransactionPooler } from "@repo/db/testing";
import { expect, onTestFinished, test } from "vitest";
import { createFixture, product } from "./testing/fixture.ts";

const fixture = await createFixture();

/** @returns the URL through a pooler. The test stops it */
type Through = (url: string) => Promise<string>;

const ownPooler =
  (tracksStatements: boolean): Through =>
  async (url) => {
    const pooler = await startTransactionPooler({ tracksStatements, url, servers: 3 });
    onTestFinished(() => pooler.stop());
    return pooler.through(url);
  };
const pgBouncer =
  (file: string, mode: "transaction" | "session"): Through =>
  async (url) => {
    const poolSize = mode === "session" ? 14 : 3;
    const pooler = await startPgBouncer(file, { urls: [url], mode, poolSize });
    onTestFinished(() => pooler.stop());
    return pooler.through(url);
  };

// The real one where this machine has it; our own stands for it everywhere.
const installed = findPgBouncer();
const poolers: readonly { readonly kind: string; readonly through: Through }[] = [
  { kind: "a pooler that does not know prepared statements", through: ownPooler(false) },
  { kind: "a pooler that carries prepared statements along", through: ownPooler(true) },
  ...(installed === undefined
    ? []
    : (["transaction", "session"] as const).map((mode) => ({
        kind: `PgBouncer in ${mode} mode`,
        through: pgBouncer(installed, mode),
      }))),
];

test.each(poolers)(
  "behind $kind every company reads and writes its own",
  { timeout: 180_000 },
  async ({ through }) => {
    const { urls } = fixture;
    const [applicationUrl, maintenanceUrl] = await Promise.all([
      through(urls.application),
      through(urls.maintenance),
    ]);
    const database = connectDatabase({ applicationUrl, maintenanceUrl });
    // As a process does at its start.
    for (const [pool, variable, url, connections] of [
      ["application", "DATABASE_URL", applicationUrl, 10],
      ["maintenance", "DATABASE_MAINTENANCE_URL", maintenanceUrl, 3],
    ] as const) {
      const { prepares } = await inspectConnection({ variable, url, connections });
      if (!prepares) database.prepareNothing(pool);
    }
    onTestFinished(() => database.close());
    const companies = await Promise.all([1, 2, 3, 4, 5, 6].map(() => fixture.company("database")));
    const valueOf = (company: string, n: number): string => `fake_custom_${company}_000${n}`;
    await Promise.all(
      companies.map((company) =>
        fixture.secrets.company(company, product).set("CUSTOM_API_KEY", valueOf(company, 1)),
      ),
    );

    // Each has a cache of its own, so that all of them ask the database.
    const processes = Array.from({ length: 8 }, () => fixture.another({ database }));
    const read = () =>
      Promise.all(
        processes.flatMap((secrets) =>
          companies.map(async (company) => ({
            company,
            value: await secrets.company(company, product).get("CUSTOM_API_KEY"),
          })),
        ),
      );
    for (const { company, value } of await read()) expect(value).toBe(valueOf(company, 1));

    const [writer] = processes;
    await Promise.all(
      companies.map(async (company) =>
        writer?.company(company, product).set("CUSTOM_API_KEY", valueOf(company, 2)),
      ),
    );
    for (const company of companies) {
      const fresh = fixture.another().company(company, product);
      expect(await fresh.get("CUSTOM_API_KEY")).toBe(valueOf(company, 2));
      expect((await fresh.list()).secrets).toMatchObject([{ secretKey: "CUSTOM_API_KEY", version: 2 }]);
    }
  },
);
