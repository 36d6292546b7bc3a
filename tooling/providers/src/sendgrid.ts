import { z } from "zod";
import {
  createCredentials,
  randomText,
  type Credential,
  type Credentials,
  type LiveCredential,
} from "./credentials.ts";
import { createFaultQueue, type FaultQueue } from "./faults.ts";
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

export interface LocalSendgrid extends LocalProvider {
  /** Creates a key as a person does on SendGrid's pages. */
  addKey(key: {
    readonly name: string;
    /** Default: a new one. */
    readonly value?: string;
    /** Default: all that can be assigned. */
    readonly scopes?: readonly string[];
    /** Default: the account of the keys that are added without one. */
    readonly account?: string;
  }): { readonly id: string; readonly value: string };
  /** Deletes a key at once, as a person does on SendGrid's pages. */
  deleteKey(id: string): void;
  liveCredentials(): readonly LiveCredential[];
}

interface Key extends Credential {
  readonly account: string;
  readonly scopes: readonly string[];
}

/** SendGrid gives them to every key, and assigns them to none on request. */
const autoAssigned = ["2fa_required", "sender_verification_eligible"] as const;
/** Of the real ones, those that the product and its tests have something to do with. */
const assignable = [
  "mail.send",
  "templates.read",
  "api_keys.create",
  "api_keys.read",
  "api_keys.update",
  "api_keys.delete",
] as const;
/** Per account: https://www.twilio.com/docs/sendgrid/api-reference/api-keys/create-api-keys */
const mostKeys = 100;
const defaultAccount = "fake_account";

/**
 * Emulates SendGrid's API keys.
 *
 * @param options.adoptsKeys whether a key that it never saw becomes one of an account of its own, unless it contains
 *   "revoked": `npm start` has keys in its database from before this start
 * @throws {Error} when the port is taken
 */
export async function startLocalSendgrid({
  adoptsKeys = false,
  ...options
}: ProviderOptions & { readonly adoptsKeys?: boolean } = {}): Promise<LocalSendgrid> {
  const faults = createFaultQueue();
  const keys = createCredentials<Key>(faults);
  const local = await startProvider(options, {
    faults,
    refuse: refusal,
    answer(request) {
      const value = bearerOf(request);
      if (adoptsKeys && value?.startsWith("SG.") && !value.includes("revoked") && !keys.knows(value)) {
        keys.add({ ...newKey("made by a person"), value, account: value, scopes: assignable });
      }
      return answerTo(request, keys, faults);
    },
  });
  return {
    ...local,
    addKey({ name, account = defaultAccount, scopes = assignable, value }) {
      const key = newKey(name);
      const added = { ...key, account, scopes, value: value ?? key.value };
      keys.add(added);
      return { id: added.id, value: added.value };
    },
    deleteKey: (id) => void keys.remove(id),
    liveCredentials: () => keys.live(),
  };
}

function answerTo(request: ProviderRequest, keys: Credentials<Key>, faults: FaultQueue): Answer {
  const value = bearerOf(request);
  if (value === undefined) return refusal(401, "authorization required");
  const caller = keys.use(value);
  if (caller === undefined) {
    return refusal(401, "The provided authorization grant is invalid, expired, or revoked");
  }
  const [path, query] = addressOf(request);
  const may = (scope: string) => caller.scopes.includes(scope);
  const ofAccount = keys.all().filter(({ account }) => account === caller.account);
  const id = /^\/v3\/api_keys\/([^/]+)$/.exec(path)?.[1];
  switch (id === undefined ? `${request.method} ${path}` : `${request.method} one`) {
    case "GET /v3/scopes":
      return { status: 200, body: { scopes: [...caller.scopes, ...autoAssigned] } };
    case "GET /v3/api_keys": {
      if (!may("api_keys.read")) return forbidden;
      const shown = ofAccount.slice(0, Number(query.get("limit") ?? Infinity));
      return { status: 200, body: { result: shown.map(({ name, id: of }) => ({ name, api_key_id: of })) } };
    }
    case "POST /v3/api_keys":
      return may("api_keys.create") ? create(request, { caller, ofAccount, keys, faults }) : forbidden;
    case "GET one": {
      if (!may("api_keys.read")) return forbidden;
      const found = ofAccount.find((key) => key.id === id);
      if (found === undefined) return missing;
      const scopes = [...found.scopes, ...autoAssigned];
      return { status: 200, body: { name: found.name, api_key_id: found.id, scopes } };
    }
    case "DELETE one": {
      if (!may("api_keys.delete")) return forbidden;
      const found = ofAccount.find((key) => key.id === id);
      return found !== undefined && keys.remove(found.id, request) ? { status: 204 } : missing;
    }
    default:
      return refusal(404, "not found");
  }
}

const NewKey = z.object({ name: z.string().min(1).max(100), scopes: z.array(z.string()).optional() });

interface Account {
  readonly caller: Key;
  readonly ofAccount: readonly Key[];
  readonly keys: Credentials<Key>;
  readonly faults: FaultQueue;
}

function create(request: ProviderRequest, { caller, ofAccount, keys, faults }: Account): Answer {
  const wanted = jsonOf(request, NewKey);
  if (wanted === undefined) return refusal(400, "missing required argument", "name");
  const { name, scopes = caller.scopes } = wanted;
  if (scopes.length === 0 || !scopes.every((scope) => caller.scopes.includes(scope))) {
    return refusal(400, "invalid or unassignable scopes were given", "scopes");
  }
  if (ofAccount.length >= (faults.take(["limit"], request)?.credentials ?? mostKeys)) {
    return refusal(403, `Cannot create more than ${mostKeys} API Keys`);
  }
  const account = faults.take(["otherAccount"], request) ? "fake_other_account" : caller.account;
  const key = { ...newKey(name), account, scopes };
  keys.add(key, request);
  const shown = faults.take(["emptyKey"], request) ? "" : key.value;
  return {
    status: 201,
    body: { api_key: shown, api_key_id: key.id, name, scopes: [...scopes, ...autoAssigned] },
  };
}

/** With the real lengths, but without the id in the value: the list alone says which id a key has. */
const newKey = (name: string): Credential => ({
  id: `fake_${randomText(17)}`,
  name,
  value: `SG.fake_${randomText(17)}.fake_${randomText(38)}`,
});

const forbidden = refusal(403, "access forbidden");
const missing = refusal(404, "unable to find API Key");

function refusal(status: number, message: string, field: string | null = null): Answer {
  return { status, body: { errors: [{ field, message }] } };
}
