import { expect, test } from "vitest";
import { ask, asRecord, generations, startFixture, tokenFor } from "../testing/fixture.ts";

const items = (body: unknown): Record<string, unknown>[] => (Array.isArray(body) ? body.map(asRecord) : []);

test.for(generations)(
  "imports are listed where a list or read asks for them, and only there: %s",
  async (generation) => {
    await using fixture = await startFixture({ emulator: { generation } });
    const { emulator, client } = fixture;
    await client.putSecret("/shared", "SHARED_KEY", "fake-shared");
    await client.putSecret("/tenants/acmecorp", "OWN_KEY", "fake-own");
    const token = await tokenFor(emulator, emulator);
    const send = (method: string, target: string, body?: unknown) =>
      ask(emulator, { method, target, body, token });
    const scope = { workspaceId: emulator.projectId, environment: "dev" };
    const place = { ...scope, path: "/tenants/acmecorp" };

    const made = await send("POST", "/api/v1/secret-imports", {
      ...place,
      import: { environment: "dev", path: "/shared" },
    });
    const id = String(asRecord(made.body["secretImport"])["id"]);
    expect(made.body["secretImport"]).toMatchObject({ importPath: "/shared", importEnv: { slug: "dev" } });
    const at = new URLSearchParams({ ...scope, secretPath: "/tenants/acmecorp" }).toString();
    const listed = await send("GET", `/api/v3/secrets/raw?${at}&include_imports=true`);
    expect(items(listed.body["secrets"]).map(({ secretKey }) => secretKey)).toEqual(["OWN_KEY"]);
    const [imported] = items(listed.body["imports"]);
    expect(imported).toMatchObject({ secretPath: "/shared", environment: "dev" });
    expect(items(imported?.["secrets"])).toMatchObject([
      { secretKey: "SHARED_KEY", secretValue: "fake-shared" },
    ]);
    expect((await send("GET", `/api/v3/secrets/raw/SHARED_KEY?${at}`)).status).toBe(404);
    expect((await send("GET", `/api/v3/secrets/raw/SHARED_KEY?${at}&include_imports=true`)).status).toBe(200);

    // Our client asks for what stands in the folder itself.
    expect((await client.listSecrets("/tenants/acmecorp")).map(({ secretKey }) => secretKey)).toEqual([
      "OWN_KEY",
    ]);
    expect(await client.findSecret("/tenants/acmecorp", "SHARED_KEY")).toBeUndefined();

    expect((await send("DELETE", `/api/v1/secret-imports/${id}`, place)).status).toBe(200);
    const where = new URLSearchParams(place).toString();
    expect((await send("GET", `/api/v1/secret-imports?${where}`)).body["secretImports"]).toEqual([]);
  },
);
