import { z } from "zod";
import { createCredentials, randomText, type Credential, type LiveCredential } from "./credentials.ts";
import { createFaultQueue } from "./faults.ts";
import {
  addressOf,
  bearerOf,
  jsonOf,
  startProvider,
  type Answer,
  type LocalProvider,
  type ProviderOptions,
  type ProviderRequest,
} from "./local-provider.ts";

export interface LocalCrm extends LocalProvider {
  /** Creates a key as a person does on the CRM's pages. Such a key manages keys. */
  addKey(key: { readonly name: string; readonly value?: string; readonly account?: string }): {
    readonly id: string;
    readonly value: string;
  };
  /** Deletes a key at once, as a person does on the CRM's pages. */
  deleteKey(id: string): void;
  liveCredentials(): readonly LiveCredential[];
}

interface CrmOptions extends ProviderOptions {
  /** How a request says its key: as a bearer token, as user or password, or in `X-Api-Key`. Default: `bearer`. */
  readonly auth?: "bearer" | "basic" | "header";
  /** Whether keys that keys created manage keys themselves. Default true. */
  readonly selfService?: boolean;
  /** Whether `GET /keys` exists. Default true. */
  readonly lists?: boolean;
}

interface Key extends Credential {
  readonly account: string;
  readonly isManager: boolean;
}

const defaultAccount = "fake_account";

/**
 * Serves the API of a CRM that does not exist, in the way of many: `POST`, `GET` and `DELETE /keys`, and `GET /me`.
 *
 * @throws {Error} when the port is taken
 */
export async function startLocalCrm({
  auth = "bearer",
  selfService = true,
  lists = true,
  ...options
}: CrmOptions = {}): Promise<LocalCrm> {
  const faults = createFaultQueue();
  const keys = createCredentials<Key>(faults);

  function answer(request: ProviderRequest): Answer {
    const caller = keyIn(request, auth)
      .map((value) => keys.use(value))
      .find((key) => key !== undefined);
    if (caller === undefined) return refusal(401, "The API key is unknown.");
    const ofAccount = keys.all().filter(({ account }) => account === caller.account);
    const [path] = addressOf(request);
    const { method } = request;
    if (method === "GET" && path === "/me") {
      return { status: 200, body: { account: caller.account, key: { id: caller.id, name: caller.name } } };
    }
    const isList = path === "/keys" && method === "GET" && lists;
    const isCreation = path === "/keys" && method === "POST";
    const id = /^\/keys\/([^/]+)$/.exec(path)?.[1];
    const isDeletion = id !== undefined && method === "DELETE";
    if (!isList && !isCreation && !isDeletion) return refusal(404, "There is nothing here.");
    if (!caller.isManager) return refusal(403, "This API key may not manage API keys.");
    if (isList)
      return { status: 200, body: { keys: ofAccount.map(({ id: of, name }) => ({ id: of, name })) } };
    if (isCreation) return create(request, caller, ofAccount.length);
    const found = ofAccount.find((key) => key.id === id);
    return found !== undefined && keys.remove(found.id, request)
      ? { status: 204 }
      : refusal(404, "The API key does not exist.");
  }

  function create(request: ProviderRequest, caller: Key, count: number): Answer {
    const wanted = jsonOf(request, z.object({ name: z.string().min(1) }));
    if (wanted === undefined) return refusal(400, "A name is missing.");
    if (count >= (faults.take(["limit"], request)?.credentials ?? Infinity)) {
      return refusal(409, "There are too many API keys.");
    }
    const account = faults.take(["otherAccount"], request) ? "fake_other_account" : caller.account;
    const key = { ...newKey(wanted.name), account, isManager: selfService };
    keys.add(key, request);
    const shown = faults.take(["emptyKey"], request) ? "" : key.value;
    return { status: 201, body: { id: key.id, name: key.name, key: shown } };
  }

  const local = await startProvider(options, { faults, refuse: refusal, answer });
  return {
    ...local,
    addKey({ name, value, account = defaultAccount }) {
      const key = newKey(name);
      const added = { ...key, value: value ?? key.value, account, isManager: true };
      keys.add(added);
      return { id: added.id, value: added.value };
    },
    deleteKey: (id) => void keys.remove(id),
    liveCredentials: () => keys.live(),
  };
}

/** @returns what may be the key of the request */
function keyIn(request: ProviderRequest, auth: NonNullable<CrmOptions["auth"]>): readonly string[] {
  switch (auth) {
    case "bearer":
      return [bearerOf(request) ?? ""];
    case "basic": {
      const encoded = /^Basic (.+)$/.exec(request.authorization ?? "")?.[1] ?? "";
      return Buffer.from(encoded, "base64").toString().split(":", 2);
    }
    case "header":
      return [String(request.headers["x-api-key"])];
  }
}

const newKey = (name: string): Credential => ({
  id: `key_fake_${randomText(12)}`,
  name,
  value: `crm_fake_${randomText(32)}`,
});

const refusal = (status: number, error: string): Answer => ({ status, body: { error } });
