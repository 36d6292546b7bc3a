import { createInfisicalClient } from "../client.ts";
import type { InfisicalClient, InfisicalEnvironment, InfisicalOptions } from "../client.ts";
import { startInfisicalEmulator } from "../emulator/index.ts";
import type { GenerationName, InfisicalEmulator, InfisicalEmulatorOptions } from "../emulator/index.ts";
import { InfisicalError } from "../errors.ts";

export interface Fixture extends AsyncDisposable {
  readonly emulator: InfisicalEmulator;
  readonly client: InfisicalClient;
  clientWith(options: Partial<InfisicalOptions>): InfisicalClient;
}

/** An emulator and a client of its main project. For tests: `await using`. */
export async function startFixture(
  options: { emulator?: InfisicalEmulatorOptions; client?: Partial<InfisicalOptions> } = {},
): Promise<Fixture> {
  const emulator = await startInfisicalEmulator(options.emulator);
  const environment: InfisicalEnvironment = "dev";
  const { siteUrl, clientId, clientSecret, projectId } = emulator;
  const clientWith = (more: Partial<InfisicalOptions>) =>
    createInfisicalClient({
      siteUrl,
      clientId,
      clientSecret,
      projectId,
      environment,
      // The failures that most tests cause are no outage. Those of the breaker set their own.
      maxFailures: 1_000_000,
      ...options.client,
      ...more,
    });
  return { emulator, client: clientWith({}), clientWith, [Symbol.asyncDispose]: () => emulator.stop() };
}

export const generations = ["current", "older"] as const satisfies readonly GenerationName[];
export const path = "/tenants/acmecorp";
export const name = "STRIPE_SECRET_KEY";
export const value = "sk_test_fake_codewiser_0001";
export const html = "<!doctype html><title>Sign in</title>";
export const login = /universal-auth\/login$/;
export const business = /folders|secrets/;

type Call = (client: InfisicalClient) => Promise<unknown>;

export const reads: Readonly<Record<string, Call>> = {
  listFolders: (client) => client.listFolders("/tenants"),
  listSecrets: (client) => client.listSecrets(path),
  listSecretSummaries: (client) => client.listSecretSummaries(path),
  findSecret: (client) => client.findSecret(path, name),
  ping: (client) => client.ping(),
};
export const writes: Readonly<Record<string, Call>> = {
  createFolder: (client) => client.createFolder(`${path}/new`),
  deleteFolder: (client) => client.deleteFolder(path),
  putSecret: (client) => client.putSecret(path, name, "sk_test_fake_codewiser_0002"),
  deleteSecret: (client) => client.deleteSecret(path, name),
};
export const calls = Object.entries({ ...reads, ...writes });

/** How many requests the emulator got. */
export const count = ({ emulator }: Fixture, method: string, pattern: RegExp) =>
  emulator.requests().filter((request) => request.method === method && pattern.test(request.path)).length;

/** Sends one request by hand, as a caller other than our client would. */
export async function ask(
  emulator: InfisicalEmulator,
  {
    method,
    target,
    body,
    token,
  }: { readonly method: string; readonly target: string; readonly body?: unknown; readonly token?: string },
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(emulator.siteUrl + target, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: asRecord(await response.json()) };
}

export async function tokenFor(emulator: InfisicalEmulator, who: { clientId: string; clientSecret: string }) {
  const { clientId, clientSecret } = who;
  const { body } = await ask(emulator, {
    method: "POST",
    target: "/api/v1/auth/universal-auth/login",
    body: { clientId, clientSecret },
  });
  return String(body["accessToken"]);
}

export function asRecord(body: unknown): Record<string, unknown> {
  if (typeof body !== "object" || body === null) throw new Error("not an object");
  return { ...body };
}

/** The error that a call ends with. */
export async function failureOf(call: Promise<unknown>): Promise<InfisicalError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof InfisicalError))
    throw new Error("did not fail with an InfisicalError", { cause: error });
  return error;
}
