import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createFixture, operator, product } from "../fixture.ts";

const script = fileURLToPath(new URL("../company-key-rotation-process.ts", import.meta.url));

test(
  "a rotation of a company's key that is killed before any commit loses nothing, and the next one finishes it",
  { timeout: 60_000 },
  async () => {
    const fixture = await createFixture();
    const subdomain = await fixture.company("database");
    const acme = fixture.secrets.company(subdomain, product);
    for (const value of ["one", "two", "three"]) await acme.set("CUSTOM_A", value);
    await acme.set("CUSTOM_B", "b");
    const readAll = async (): Promise<void> => {
      const fresh = fixture.another().company(subdomain, product);
      expect(await fresh.get("CUSTOM_A")).toBe("three");
      expect(await fresh.get("CUSTOM_B")).toBe("b");
    };
    const run = async (killAt: number): Promise<unknown> => {
      const child = spawn(process.execPath, [script], { stdio: ["pipe", "inherit", "inherit"] });
      const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
      child.stdin.end(
        JSON.stringify({
          applicationUrl: fixture.urls.application,
          maintenanceUrl: fixture.urls.maintenance,
          infisical: { siteUrl, clientId, clientSecret, projectId },
          subdomain,
          killAt,
        }),
      );
      const [, signal]: unknown[] = await once(child, "exit");
      return signal;
    };

    let kills = 0;
    const halfway = new Set<string>();
    while ((await run(kills)) === "SIGKILL") {
      kills++;
      await readAll();
      const keys =
        await fixture.superuser`select status from company_keys where status <> 'destroyed' order by no`;
      halfway.add(keys.map((key) => key["status"]).join());
      const { no } = await fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, subdomain);
      await readAll();
      const [state] = await fixture.superuser`select
        (select count(*)::int from company_keys where status <> 'destroyed') as keys,
        (select count(*)::int from company_key_wraps) as wraps,
        (select array_agg(distinct split_part(sealed, '.', 2)::int) from (
          select secret_value_encrypted as sealed from company_secrets
          union all select sealed from company_secret_versions where sealed is not null) s) as under`;
      expect({ ...state }).toEqual({ keys: 1, wraps: 1, under: [no] });
    }
    expect(halfway).toEqual(new Set(["active", "retiring,active"]));
    // The new key, the heads, the versions, the end of the old key.
    expect(kills).toBe(4);
  },
);
