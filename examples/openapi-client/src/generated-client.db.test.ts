import { readFile } from "node:fs/promises";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";
import { createBackends, startApi } from "@repo/hono-api/testing";
import { expect, test } from "vitest";
import { createSecretsApi, renewToken } from "./service.ts";

const backends = await createBackends();
const { url } = await startApi({ backends });
const { apiKey } = await backends.apiKey("another-company");
const company = "another-company";

test("the client in this folder is what the generator makes of docs/openapi.json", async () => {
  const document = new URL("../../../docs/openapi.json", import.meta.url);
  const made = COMMENT_HEADER + astToString(await openapiTS(document));
  // "npx pnpm --filter @repo/openapi-client generate" writes it again.
  expect(await readFile(new URL("api.d.ts", import.meta.url), "utf8")).toBe(made);
});

test("a generated client writes and reads, has typed errors, and finds what another one changed", async () => {
  const api = createSecretsApi(url, apiKey);
  expect(await renewToken(api, { company, value: "fake_token_0001", seen: 0 })).toEqual({
    version: 1,
    renewed: true,
  });
  const late = await renewToken(api, { company, value: "fake_token_0002", seen: 0 });
  expect(late).toEqual({ version: 1, renewed: false });
  const read = await api.POST("/api/v1/secrets.read", { body: { company, secretKey: "CUSTOM_TOKEN" } });
  expect(read.data).toEqual({ value: "fake_token_0001", version: 1 });
  const expiry = await api.POST("/api/v1/secrets.setExpiry", {
    body: { company, secretKey: "CUSTOM_TOKEN", expiresAt: "2030-01-31T00:00:00Z" },
  });
  expect(expiry.response.status).toBe(204);
  const { data: list } = await api.POST("/api/v1/secrets.list", { body: { company } });
  expect(list?.secrets.find(({ secretKey }) => secretKey === "CUSTOM_TOKEN")?.expiresAt).toBe(
    "2030-01-31T00:00:00.000Z",
  );
  const foreign = { company: "codewiser", value: "fake_token_0003", seen: 0 };
  await expect(renewToken(api, foreign)).rejects.toThrow("NOT_FOUND");
});
