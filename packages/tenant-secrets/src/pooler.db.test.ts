import { connectDatabase } from "@repo/db";
import { startTransactionPooler } from "@repo/db/testing";
import { expect, onTestFinished, test } from "vitest";
import { createFixture, product } from "./testing/fixture.ts";

const fixture = await createFixture();

test.each([
  { tracksStatements: false, kind: "that does not know prepared statements" },
  { tracksStatements: true, kind: "that carries them along" },
])("behind a pooler $kind every company reads and writes its own", { timeout: 180_000 }, async (options) => {
  const { urls } = fixture;
  const throughOne = async (url: string): Promise<string> => {
    const pooler = await startTransactionPooler({ ...options, url, servers: 3 });
    onTestFinished(() => pooler.stop());
    return pooler.through(url);
  };
  const database = connectDatabase({
    applicationUrl: await throughOne(urls.application),
    maintenanceUrl: await throughOne(urls.maintenance),
  });
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
});
