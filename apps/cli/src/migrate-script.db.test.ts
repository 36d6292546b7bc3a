import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createFixture, operator, product } from "./testing/fixture.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("../../../scripts/migrate-secrets-to-db.ts", import.meta.url));

test(
  "the script plans, copies and verifies all companies, and changes no store",
  { timeout: 240_000 },
  async () => {
    const { secrets, local, operatorToken } = await createFixture();
    for (const subdomain of ["acmecorp", "codewiser"]) {
      await secrets.admin.companies.create(operator, { subdomain, secretStore: "infisical" });
      await secrets.company(subdomain, product).set("CUSTOM_KEY", `fake-${subdomain}`);
    }
    const env = { ...local, TENANT_SECRETS_OPERATOR_TOKEN: operatorToken };
    const ran = (...args: string[]) =>
      run(process.execPath, [script, "--rate", "unlimited", ...args], { env });
    const planned = await ran("--dry-run");
    expect(planned.stdout).toContain(
      "codewiser: done: 1 in the folder, 0 in the database, 1 only in the folder",
    );
    expect(planned.stdout.trimEnd()).toMatch(/\nNext: pnpm secrets migrate copy --all$/);
    expect(planned.stderr).not.toContain(", copy: ");
    const done = await ran();
    expect(done.stdout).toContain(
      "codewiser: done: 1 in the folder, 1 in the database, 1 equal, store infisical",
    );
    expect(done.stdout.trimEnd()).toMatch(/\nNext: pnpm secrets migrate switch --all --yes$/);
    expect((await secrets.admin.companies.get(operator, "codewiser")).secretStore).toBe("infisical");
  },
);
