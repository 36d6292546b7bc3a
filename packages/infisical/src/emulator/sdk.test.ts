import { InfisicalSDK } from "@infisical/sdk";
import { expect, test } from "vitest";
import { startFixture } from "../testing/fixture.ts";

test("serves every call of the SDK for secrets, folders, environments and projects", async () => {
  await using fixture = await startFixture({ emulator: { tokenTtlMs: 600_000, tokenMaxTtlMs: 3_600_000 } });
  const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
  const sdk = new InfisicalSDK({ siteUrl });
  await sdk.auth().universalAuth.login({ clientId, clientSecret });
  const first = sdk.auth().getAccessToken();
  await sdk.auth().universalAuth.renew();
  expect(sdk.auth().getAccessToken()).not.toBe(first);

  const scope = { projectId, environment: "qa", secretPath: "/tenants/acmecorp" };
  const environment = await sdk.environments().create({ projectId, name: "QA", slug: "qa", position: 4 });
  expect(environment).toMatchObject({ slug: "qa", position: 4 });
  const folder = await sdk
    .folders()
    .create({ projectId, environment: "qa", name: "acmecorp", path: "/tenants" });
  expect(folder).toMatchObject({ name: "acmecorp" });
  expect(
    await sdk.folders().listFolders({ projectId, environment: "qa", path: "/", recursive: true }),
  ).toHaveLength(2);

  await sdk.secrets().createSecret("KEY", { ...scope, secretValue: "fake-1", secretComment: "why" });
  await sdk.secrets().updateSecret("KEY", { ...scope, secretValue: "fake-2", newSecretName: "NEW" });
  expect(await sdk.secrets().getSecret({ ...scope, secretName: "NEW" })).toMatchObject({
    secretValue: "fake-2",
  });
  expect((await sdk.secrets().listSecrets(scope)).secrets).toHaveLength(1);
  expect(await sdk.secrets().listSecretsWithImports(scope)).toHaveLength(1);
  await sdk.secrets().deleteSecret("NEW", scope);
  expect((await sdk.secrets().listSecrets(scope)).secrets).toEqual([]);

  const project = await sdk.projects().create({ projectName: "Delivery Chat", type: "secret-manager" });
  const elsewhere = { projectId: project.id, environment: "prod" };
  expect((await sdk.secrets().listSecrets(elsewhere)).secrets).toEqual([]);
});
