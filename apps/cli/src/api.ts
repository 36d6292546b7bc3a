import type { Catalog, ClientOptions, TenantSecretsClient } from "@repo/tenant-secrets/client";
import { readApiUrl, readCredential, type CredentialName } from "./env.ts";
import { UsageError } from "./failure.ts";

export type Api = TenantSecretsClient<Catalog>["trpc"];

type Transport = Pick<ClientOptions<Catalog>, "url" | "fetch"> & AsyncDisposable;

const timeoutMs = 60_000;
const orThroughAnApi = "Or set TENANT_SECRETS_URL, to work through an API instead.";

/**
 * Does something with the API: the one at TENANT_SECRETS_URL, or without that, the same procedures in this process.
 *
 * @param credentialName the variable that holds who asks
 * @throws {UsageError} when the environment does not fit
 * @throws {TenantSecretsError} what the API answered, or STORE_UNAVAILABLE when it did not
 */
export async function withApi<T>(credentialName: CredentialName, work: (api: Api) => Promise<T>): Promise<T> {
  const credential = readCredential(credentialName);
  const { createTenantSecretsClient, defineCatalog, errorOfAnswer } =
    await import("@repo/tenant-secrets/client");
  // The procedures are called by themselves here; the server has the catalogue.
  const catalog = defineCatalog({});
  const url = readApiUrl();
  await using transport = url === undefined ? await inProcess() : overHttp(url);
  try {
    return await work(createTenantSecretsClient({ ...transport, credential, catalog, timeoutMs }).trpc);
  } catch (error) {
    throw errorOfAnswer(error);
  }
}

function overHttp(url: string): Transport {
  return { url, [Symbol.asyncDispose]: () => Promise.resolve() };
}

async function inProcess(): Promise<Transport> {
  const { openServices } = await import("./open-services.ts");
  const opened = await openServices().catch((error: unknown) => {
    throw error instanceof UsageError ? new UsageError(`${error.message}\n${orThroughAnApi}`) : error;
  });
  return {
    url: "http://in-process",
    fetch: (url, init) => opened.secrets.handler(new Request(url, init)),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
