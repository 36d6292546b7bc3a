import { z } from "zod";
import { createCredentials, randomText, type Credential, type Credentials } from "./credentials.ts";
import type { FaultQueue } from "./faults.ts";
import { addressOf, jsonOf, type Answer, type ProviderRequest } from "./local-provider.ts";

export interface ClientSecret extends Credential {
  readonly clientId: string;
}

export interface ClientSecrets extends Credentials<ClientSecret> {
  /** @returns the secret as it was added */
  create(clientId: string, request?: ProviderRequest, fixed?: Partial<Credential>): ClientSecret;
  /** @returns undefined for an address that is not of this API */
  answer(request: ProviderRequest): Answer | undefined;
}

/** As of Okta: https://developer.okta.com/docs/guides/client-secret-rotation-key/main/ */
const mostSecrets = 2;

/**
 * The secrets of OAuth clients. `GET`, `POST` and `DELETE /clients/{id}/secrets` are in the way of Okta: a client has two at
 * most. `POST /clients/{id}/rotate-secret` is in the way of Auth0: it gives another one in place of all.
 */
export function createClientSecrets(faults: FaultQueue, isClient: (id: string) => boolean): ClientSecrets {
  const secrets = createCredentials<ClientSecret>(faults);

  function create(
    clientId: string,
    request?: ProviderRequest,
    fixed: Partial<Credential> = {},
  ): ClientSecret {
    const secret = {
      clientId,
      id: `secret_fake_${randomText(12)}`,
      name: "",
      value: `cs_fake_${randomText(32)}`,
      ...fixed,
    };
    secrets.add(secret, request);
    return secret;
  }

  function created(clientId: string, request: ProviderRequest): Answer {
    const { name = "" } = jsonOf(request, z.object({ name: z.string().optional() })) ?? {};
    const { id, value } = create(clientId, request, { name });
    const shown = faults.take(["emptyKey"], request) ? "" : value;
    return { status: 201, body: { id, name, client_secret: shown } };
  }

  return {
    ...secrets,
    create,
    answer(request) {
      const [path] = addressOf(request);
      const match = /^\/clients\/([^/]+)\/(?:secrets(?:\/([^/]+))?|(rotate-secret))$/.exec(path);
      if (match === null) return undefined;
      const [, clientId = "", secretId, rotation] = match;
      if (!isClient(clientId)) return refusal(404, "The client does not exist.");
      const ofClient = secrets.all().filter((secret) => secret.clientId === clientId);
      const what = rotation ?? (secretId === undefined ? "all" : "one");
      switch (`${request.method} ${what}`) {
        case "GET all":
          return { status: 200, body: ofClient.map(({ id, name }) => ({ id, name })) };
        case "POST all":
          return ofClient.length >= (faults.take(["limit"], request)?.credentials ?? mostSecrets)
            ? refusal(400, `A client has ${mostSecrets} secrets at most.`)
            : created(clientId, request);
        case "DELETE one":
          return ofClient.some(({ id }) => id === secretId) && secrets.remove(secretId ?? "", request)
            ? { status: 204 }
            : refusal(404, "The secret does not exist.");
        case "POST rotate-secret":
          for (const { id } of ofClient) secrets.remove(id, request);
          return created(clientId, request);
        default:
          return refusal(405, "This is not possible here.");
      }
    },
  };
}

const refusal = (status: number, error: string): Answer => ({ status, body: { error } });
