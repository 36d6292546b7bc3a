import type { CheckResult } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import type { OutboundAnswer } from "@repo/outbound";
import { z } from "zod";
import type { DriverCall, NewCredential, ProviderDriver, Retirement } from "./driver.ts";
import { DriverError } from "./driver-error.ts";
import { isMarker } from "./marker.ts";
import { failureOf, findJson, pathPart, readJson, send } from "./requests.ts";

const Settings = z.strictObject({
  /** What the new key may do. Default: what the current one may. */
  scopes: z
    .array(z.string().regex(/^[\w.:-]{1,100}$/))
    .min(1)
    .max(300)
    .optional(),
});
type Settings = z.infer<typeof Settings>;

/** SendGrid gives them to keys by itself, and refuses a request that names them. */
const autoAssigned = new Set([
  "2fa_required",
  "2fa_exempt",
  "sender_verification_eligible",
  "sender_verification_exempt",
]);

const Scopes = z.object({ scopes: z.array(z.string()) });
const Named = z.object({ name: z.string(), api_key_id: z.string() });
const Created = z.object({
  api_key: z.string().regex(/^SG\.[\w-]+\.[\w-]+$/),
  api_key_id: z.string().min(1).max(100),
  name: z.string(),
  scopes: z.array(z.string()),
});
const Listed = z.object({ result: z.array(Named) });
/** What SendGrid's own refusals look like; a refusal without it comes from something in between. */
const Refusal = z.object({ errors: z.array(z.object({ message: z.string() })) });

/**
 * Makes and deletes API keys of SendGrid. The key with whose rights that is done has the scopes `api_keys.create`, `.read` and
 * `.delete`, and every scope of the new key.
 *
 * @param url such as "https://api.sendgrid.com"
 */
export function createSendgridDriver(url: string): ProviderDriver<Settings> {
  const base = url.replace(/\/+$/, "");
  const ask = (call: DriverCall<Settings>, value: Plaintext | undefined, [method, path, body]: Question) => {
    if (value === undefined) throw new DriverError("misconfigured");
    return send(call, `${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${value.reveal()}`,
        ...(body && { "content-type": "application/json" }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  };
  const keyPath = (ref: string) => `/v3/api_keys/${pathPart(ref)}` as const;

  /** @returns undefined where the account of the manager has no such key */
  async function findKey(
    call: DriverCall<Settings>,
    ref: string,
  ): Promise<z.infer<typeof Named> | undefined> {
    const answer = await ask(call, call.manager, ["GET", keyPath(ref)]);
    if (answer.status === 200) return readJson(answer, Named);
    if (answer.status === 404 && findJson(answer, Refusal)) return undefined;
    throw refusalOf(answer);
  }

  async function scopesOf(call: DriverCall<Settings>): Promise<readonly string[]> {
    if (call.settings.scopes !== undefined) return call.settings.scopes;
    const answer = await ask(call, call.current, ["GET", "/v3/scopes"]);
    if (answer.status !== 200) throw refusalOf(answer);
    return readJson(answer, Scopes).scopes.filter((scope) => !autoAssigned.has(scope));
  }

  async function test(call: DriverCall<Settings>, value: Plaintext): Promise<CheckResult> {
    try {
      const answer = await ask(call, value, ["GET", "/v3/scopes"]);
      if (answer.status === 200) {
        const { scopes } = readJson(answer, Scopes);
        const { settings } = call;
        return settings.scopes?.every((scope) => scopes.includes(scope)) === false ? "rejected" : "accepted";
      }
      if (!findJson(answer, Refusal)) return "unknown";
      return answer.status === 401 ? "rejected" : answer.status === 403 ? "accepted" : "unknown";
    } catch (error) {
      if (error instanceof DriverError && error.code === "misconfigured") throw error;
      return "unknown";
    }
  }

  async function retire(
    call: DriverCall<Settings>,
    { ref, marker }: Retirement,
  ): Promise<"retired" | "gone"> {
    const key = await findKey(call, ref);
    if (key === undefined) return "gone";
    if (marker !== undefined && key.name !== marker) throw new DriverError("misconfigured");
    const answer = await ask(call, call.manager, ["DELETE", keyPath(ref)]);
    if (answer.status === 204) return "retired";
    if (answer.status === 404 && findJson(answer, Refusal)) return "gone";
    throw refusalOf(answer);
  }

  return {
    name: "sendgrid",
    creates: "provider",
    settings: Settings,
    overlap: "both-valid",
    settleSeconds: 120,
    manager: "optional",
    test,

    async create(call): Promise<NewCredential> {
      const scopes = await scopesOf(call);
      const body = { name: call.marker, scopes };
      const answer = await ask(call, call.manager, ["POST", "/v3/api_keys", body]);
      if (answer.status !== 201) throw refusalOf(answer);
      const made = readJson(answer, Created);
      if (made.name !== call.marker || !scopes.every((scope) => made.scopes.includes(scope))) {
        throw new DriverError("transient");
      }
      // A key that the manager's account does not have is another account's. No list of ours shows it: it ends itself.
      if ((await findKey(call, made.api_key_id))?.name !== call.marker) {
        const manager = Plaintext.fromText(made.api_key);
        const { marker } = call;
        await retire({ ...call, manager }, { ref: made.api_key_id, marker }).catch(() => {});
        manager.wipe();
        throw new DriverError("transient");
      }
      return { value: Plaintext.fromText(made.api_key), ref: made.api_key_id };
    },

    async find(call) {
      const answer = await ask(call, call.manager, ["GET", "/v3/api_keys"]);
      if (answer.status !== 200) throw refusalOf(answer);
      return readJson(answer, Listed)
        .result.filter(({ name }) => isMarker(name))
        .map(({ name, api_key_id: ref }) => ({ ref, marker: name }));
    },

    retire,

    async confirm(call, { ref, value }) {
      // A deleted key can be accepted for some minutes.
      if (value !== undefined) return (await test(call, value)) === "rejected";
      return (await findKey(call, ref)) === undefined;
    },
  };
}

type Question = readonly [method: "GET" | "POST" | "DELETE", path: `/v3/${string}`, body?: object];

function refusalOf(answer: OutboundAnswer): DriverError {
  const refusal = findJson(answer, Refusal);
  if (answer.status === 429 || answer.status >= 500) return failureOf(answer);
  if (refusal === undefined) return new DriverError("transient");
  // The status of a missing right and of 100 keys is the same.
  const isLimit = refusal.errors.some(({ message }) =>
    /cannot create more than|maximum number/i.test(message),
  );
  return isLimit ? new DriverError("limit") : failureOf(answer);
}
