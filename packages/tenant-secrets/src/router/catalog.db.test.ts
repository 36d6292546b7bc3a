import { deliveryChatCatalog } from "@repo/delivery-chat";
import { describeCatalog } from "@repo/catalog";
import { expect, test } from "vitest";
import { createTenantSecretsClient } from "../client.ts";
import { createFixture, operator } from "../testing/fixture.ts";
import { inProcessFetch } from "./handler.ts";

const fixture = await createFixture();
const { secrets } = fixture;

test("a client gets the description of the server's catalogue, with an address of documentation for each entry", async () => {
  const { apiKey: credential } = await secrets.apiKeys.create(operator, {
    name: "form",
    companies: [await fixture.company("database")],
    platform: false,
    verbs: ["describe"],
    secretKeys: ["CUSTOM_NONE"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const client = createTenantSecretsClient({
    url: "http://in-process",
    credential,
    catalog: deliveryChatCatalog,
    fetch: inProcessFetch(secrets),
  });
  const answer = await client.trpc.catalog.describe.query();
  expect(answer).toEqual(describeCatalog(deliveryChatCatalog));
  expect(answer.secrets.map(({ secretKey }) => secretKey)).toEqual(Object.keys(deliveryChatCatalog.entries));
  expect(answer.secrets.filter(({ docsUrl, purpose }) => !docsUrl || !purpose)).toEqual([]);
});
