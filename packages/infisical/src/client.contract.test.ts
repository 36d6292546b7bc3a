import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createInfisicalClient } from "./client.ts";
import type { InfisicalClient, InfisicalOptions } from "./client.ts";
import { startInfisicalEmulator } from "./emulator/index.ts";
import type { InfisicalEmulator } from "./emulator/index.ts";
import { environmentVariables } from "./env.ts";
import { InfisicalError } from "./errors.ts";
import { failureOf, generations } from "./testing/fixture.ts";
import { retrying } from "./testing/retrying-client.ts";
import { readInfisicalOptions } from "./variables.ts";

// Against the emulator of either generation, or against the server that the environment names, in a folder of its own there.
const variables = environmentVariables();
const servers = variables["INFISICAL_SITE_URL"] ? (["named"] as const) : generations;

const prefix = "contract-";
const hourMs = 3_600_000;

/** Whether the folder is left over from a run that was killed, and has to be removed. */
function isAbandoned(name: string): boolean {
  const [, madeAt] = new RegExp(`^${prefix}([0-9a-z]{8})-[0-9a-f]{8}$`).exec(name) ?? [];
  return madeAt !== undefined && Date.now() - Number.parseInt(madeAt, 36) > hourMs;
}

describe.for(servers)("a server: %s", (generation) => {
  const root = `/${prefix}${Date.now().toString(36)}-${randomBytes(4).toString("hex")}`;
  let emulator: InfisicalEmulator | undefined;
  let options: InfisicalOptions;
  let client: InfisicalClient;
  const clientWith = (changed: Partial<InfisicalOptions>) =>
    retrying(createInfisicalClient({ ...options, ...changed }));

  beforeAll(async () => {
    if (generation === "named") options = readInfisicalOptions(variables);
    else {
      emulator = await startInfisicalEmulator({ generation });
      const { siteUrl, clientId, clientSecret, projectId } = emulator;
      options = { siteUrl, clientId, clientSecret, projectId, environment: "dev" };
    }
    client = clientWith({});
    for (const { name } of await client.listFolders("/")) {
      if (isAbandoned(name)) await client.deleteFolder(`/${name}`);
    }
    await client.createFolder(root);
  });

  afterAll(async () => {
    try {
      await client.deleteFolder(root);
    } finally {
      await emulator?.stop();
    }
  });

  let folders = 0;
  const newPath = () => `${root}/case-${(folders += 1)}`;

  test("answers a ping where the project and the environment exist", async () => {
    await expect(client.ping()).resolves.toBeUndefined();
  });

  test("refuses wrong credentials", async () => {
    const stranger = clientWith({ clientSecret: "0".repeat(64) });
    expect((await failureOf(stranger.ping())).code).toBe("UNAUTHORIZED");
    const unknown = clientWith({ clientId: randomUUID() });
    expect((await failureOf(unknown.ping())).code).toBe("UNAUTHORIZED");
  });

  test("says so when the project does not exist", async () => {
    const lost = clientWith({ projectId: randomUUID() });
    const failures = await Promise.all(
      [
        lost.ping(),
        lost.listSecrets("/"),
        lost.findSecret("/", "STRIPE_SECRET_KEY"),
        lost.putSecret("/", "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001"),
      ].map((call) => failureOf(call)),
    );
    for (const { code } of failures) expect(["NOT_FOUND", "FORBIDDEN"]).toContain(code);
  });

  test("makes a folder with its missing parents, and again without harm", async () => {
    const path = `${newPath()}/tenants/acmecorp`;
    await client.createFolder(path);
    await client.createFolder(path);
    const parent = path.slice(0, path.lastIndexOf("/"));
    expect((await client.listFolders(parent)).map(({ name }) => name)).toEqual(["acmecorp"]);
    expect(await client.listSecrets(path)).toEqual([]);
  });

  test("lists the direct children of a folder by name, and none of a missing one", async () => {
    const path = newPath();
    for (const name of ["beta", "alpha/deep", "UPPER_and-dash9"])
      await client.createFolder(`${path}/${name}`);
    expect((await client.listFolders(path)).map(({ name }) => name)).toEqual([
      "UPPER_and-dash9",
      "alpha",
      "beta",
    ]);
    expect(await client.listFolders(`${path}/missing/deeper`)).toEqual([]);
  });

  test("makes one folder out of many creates at once", async () => {
    const path = newPath();
    await Promise.all(["a", "b", "c", "a", "b", "c"].map((name) => client.createFolder(`${path}/${name}`)));
    const parents = (await client.listFolders(root)).filter(({ name }) => path === `${root}/${name}`);
    expect(parents).toHaveLength(1);
    expect((await client.listFolders(path)).map(({ name }) => name)).toEqual(["a", "b", "c"]);
  });

  test("deletes a folder with everything below it, and a missing one without an error", async () => {
    const path = newPath();
    await client.putSecret(`${path}/deep`, "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001");
    await client.deleteFolder(path);
    expect(await client.listSecrets(`${path}/deep`)).toEqual([]);
    expect((await client.listFolders(root)).map(({ name }) => `${root}/${name}`)).not.toContain(path);
    await client.deleteFolder(path);
    await client.deleteFolder(`${path}/never/was`);
  });

  test("creates a secret and its missing folder, then replaces it", async () => {
    const path = newPath();
    const first = await client.putSecret(path, "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001");
    expect(first).toEqual({ created: true, version: 1 });
    const second = await client.putSecret(path, "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0002");
    expect(second).toEqual({ created: false, version: 2 });
    const found = await client.findSecret(path, "STRIPE_SECRET_KEY");
    expect(found).toMatchObject({
      secretKey: "STRIPE_SECRET_KEY",
      value: "sk_test_fake_codewiser_0002",
      version: 2,
    });
    expect(found?.updatedAt.getTime()).toBeGreaterThanOrEqual(found?.createdAt.getTime() ?? Infinity);
  });

  test("finds nothing where the secret or its folder is missing", async () => {
    const path = newPath();
    expect(await client.findSecret(path, "STRIPE_SECRET_KEY")).toBeUndefined();
    await client.createFolder(path);
    expect(await client.findSecret(path, "STRIPE_SECRET_KEY")).toBeUndefined();
    expect(await client.listSecrets(`${path}/missing`)).toEqual([]);
    expect(await client.listSecretSummaries(`${path}/missing`)).toEqual([]);
  });

  test("lists the secrets of one folder by name, and not those below it", async () => {
    const path = newPath();
    await client.putSecret(path, "SENDGRID_API_KEY", "SG.fake-0001");
    await client.putSecret(path, "OAUTH_CLIENT_ID", "fake-client");
    await client.putSecret(`${path}/below`, "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001");
    const listed = await client.listSecrets(path);
    expect(listed.map(({ secretKey, value }) => [secretKey, value])).toEqual([
      ["OAUTH_CLIENT_ID", "fake-client"],
      ["SENDGRID_API_KEY", "SG.fake-0001"],
    ]);
  });

  test("lists summaries without values", async () => {
    const path = newPath();
    await client.putSecret(path, "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001");
    const [summary] = await client.listSecretSummaries(path);
    expect(Object.keys(summary ?? {}).toSorted()).toEqual(["createdAt", "secretKey", "updatedAt", "version"]);
    expect(JSON.stringify(summary)).not.toContain("sk_test");
  });

  test("deletes a secret once", async () => {
    const path = newPath();
    await client.putSecret(path, "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001");
    expect(await client.deleteSecret(path, "STRIPE_SECRET_KEY")).toBe(true);
    expect(await client.deleteSecret(path, "STRIPE_SECRET_KEY")).toBe(false);
    expect(await client.deleteSecret(`${path}/missing`, "STRIPE_SECRET_KEY")).toBe(false);
    expect(await client.putSecret(path, "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0002")).toEqual({
      created: true,
      version: 1,
    });
  });

  test("every value of the supported set is read back exactly as it was written", async () => {
    const path = newPath();
    const values = [
      "",
      "a b",
      "line 1\nline 2\n",
      "ключ 鍵 🔑",
      '{"json":"\\u0000 is text"}',
      "x".repeat(65_536),
      "a\r\nb",
      "$NOT_A_REFERENCE ${",
      "__proto__",
    ];
    for (const value of values) {
      await client.putSecret(path, "VALUE", value);
      expect((await client.findSecret(path, "VALUE"))?.value).toBe(value);
    }
  });

  test("gives a reference to another company's secret back as text", async () => {
    const path = newPath();
    await client.putSecret(`${path}/other`, "STRIPE_SECRET_KEY", "sk_test_fake_other_0001");
    const reference = `\${${options.environment}${path.replaceAll("/", ".")}.other.STRIPE_SECRET_KEY}`;
    await client.putSecret(`${path}/mine`, "NOSY", reference);
    expect((await client.findSecret(`${path}/mine`, "NOSY"))?.value).toBe(reference);
    expect((await client.listSecrets(`${path}/mine`))[0]?.value).toBe(reference);
  });

  test("makes one secret out of many puts at once", async () => {
    const path = newPath();
    const values = ["fake-1", "fake-2", "fake-3", "fake-4"];
    const puts = await Promise.all(values.map((value) => client.putSecret(path, "STRIPE_SECRET_KEY", value)));
    expect(puts.filter(({ created }) => created)).toHaveLength(1);
    const listed = await client.listSecrets(path);
    expect(listed).toHaveLength(1);
    expect(values).toContain(listed[0]?.value);
    expect(listed[0]?.version).toBe(4);
  });

  test("keeps environments apart", async () => {
    const path = newPath();
    await client.putSecret(path, "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001");
    const elsewhere = clientWith({
      environment: options.environment === "staging" ? "dev" : "staging",
    });
    expect(await elsewhere.findSecret(path, "STRIPE_SECRET_KEY")).toBeUndefined();
    expect(await elsewhere.listSecrets(path)).toEqual([]);
  });

  test("a survey has the rows of one folder, and the same ones in its summaries", async () => {
    const path = newPath();
    const bulk = client.bulk();
    await bulk.putSecret(path, "SENDGRID_API_KEY", "SG.fake-0001");
    await bulk.putSoleSecret(path, "OAUTH_CLIENT_ID", "fake-client");
    await bulk.putSecret(path, "OAUTH_CLIENT_ID", "fake-client-2");
    await bulk.putSecret(`${path}/below`, "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001");
    const rows = (await bulk.survey(path))?.rows ?? [];
    const plain = { isPersonal: false, hasComment: false, tags: 0, metadata: 0, hasReminder: false };
    expect(rows).toMatchObject([
      { secretKey: "OAUTH_CLIENT_ID", value: "fake-client-2", version: 2, ...plain },
      { secretKey: "SENDGRID_API_KEY", value: "SG.fake-0001", version: 1, ...plain },
    ]);
    const summaries = rows.map(({ id, secretKey, version, createdAt, updatedAt }) => ({
      id,
      secretKey,
      version,
      createdAt,
      updatedAt,
    }));
    expect(await bulk.surveySummaries(path)).toEqual(summaries);
    expect(await bulk.findSecret(path, "SENDGRID_API_KEY")).toMatchObject({ value: "SG.fake-0001" });
    expect(await bulk.deleteSecret(path, "SENDGRID_API_KEY")).toBe(true);
    expect(await bulk.surveySummaries(path)).toEqual(summaries.slice(0, 1));
  });

  test("a survey has no row of an empty folder, and none or no answer of a missing one", async () => {
    const path = newPath();
    const bulk = client.bulk();
    await bulk.createFolder(path);
    expect(await bulk.survey(path)).toEqual({ rows: [] });
    expect((await bulk.survey(`${path}/missing`))?.rows ?? []).toEqual([]);
    expect((await bulk.surveySummaries(`${path}/missing`)) ?? []).toEqual([]);
  });

  test("a survey gives a reference to another company's secret as text", async () => {
    const path = newPath();
    const bulk = client.bulk();
    await bulk.putSecret(`${path}/other`, "STRIPE_SECRET_KEY", "sk_test_fake_other_0001");
    const reference = `\${${options.environment}${path.replaceAll("/", ".")}.other.STRIPE_SECRET_KEY}`;
    await bulk.putSecret(`${path}/mine`, "NOSY", reference);
    expect((await bulk.survey(`${path}/mine`))?.rows).toMatchObject([{ value: reference }]);
  });

  test("lists all folders below a path, at any depth", async () => {
    const path = newPath();
    const bulk = client.bulk();
    for (const each of ["beta/deep/er", "alpha"]) await bulk.createFolder(`${path}/${each}`);
    const below = ["/alpha", "/beta", "/beta/deep", "/beta/deep/er"].map((each) => path + each);
    expect((await bulk.listFoldersBelow(path)).map((folder) => folder.path)).toEqual(below);
    const children = (await client.listFolders(path)).map(({ id, name }) => ({ id, name }));
    const direct = (await bulk.listFoldersBelow(path)).filter(({ name }) => /^(?:alpha|beta)$/.test(name));
    expect(direct.map(({ id, name }) => ({ id, name }))).toEqual(children);
    await bulk.deleteFolder(`${path}/beta`);
    expect((await bulk.listFoldersBelow(path)).map(({ name }) => name)).toEqual(["alpha"]);
    expect(await bulk.listFoldersBelow(`${path}/missing`)).toEqual([]);
  });

  test("counts the imports of a folder, or names the right that it takes", async () => {
    const path = newPath();
    await client.createFolder(path);
    const counting = client.bulk().countImports(path);
    const counted = await counting.catch((error: unknown) => error instanceof InfisicalError && error.code);
    expect([0, "FORBIDDEN"]).toContain(counted);
  });
});
