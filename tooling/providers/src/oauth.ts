import { createAccessTokens, type AccessToken, type AccessTokens } from "./access-tokens.ts";
import { createClientSecrets, type ClientSecrets } from "./client-secrets.ts";
import { randomText, type LiveCredential } from "./credentials.ts";
import { createFaultQueue, type FaultQueue } from "./faults.ts";
import {
  addressOf,
  bearerOf,
  startProvider,
  type Answer,
  type LocalProvider,
  type ProviderOptions,
  type ProviderRequest,
} from "./local-provider.ts";
import { createTokenFamilies, type FamilyOptions, type TokenFamilies } from "./token-families.ts";

export interface LocalOAuth extends LocalProvider {
  /** What the API of client secrets takes as its bearer token. */
  readonly managementToken: string;
  addClient(client?: { readonly clientId?: string; readonly clientSecret?: string }): {
    readonly clientId: string;
    readonly clientSecret: string;
    readonly secretId: string;
  };
  /** Gives the tokens that a person's consent gives. */
  connect(grant: { readonly clientId: string; readonly subject?: string; readonly scope?: string }): {
    readonly accessToken: string;
    readonly refreshToken: string;
    readonly expiresInSeconds: number;
    readonly scope: string;
  };
  /** Revokes all tokens of this one's consent, as the person does on the provider's pages. */
  disconnect(refreshToken: string): void;
  /** The secrets of clients. */
  liveCredentials(): readonly LiveCredential[];
  /** The refresh tokens that can be exchanged; an id is that of the consent, a name that of the client. */
  liveRefreshTokens(): readonly LiveCredential[];
  /** How many consents a second use of a refresh token ended. */
  revokedByReuse(): number;
}

interface OAuthOptions extends ProviderOptions, FamilyOptions {
  /** Default 3600. */
  readonly accessTokenSeconds?: number;
}

interface State {
  readonly secrets: ClientSecrets;
  readonly families: TokenFamilies;
  readonly accessTokens: AccessTokens;
  readonly faults: FaultQueue;
}

/**
 * Emulates an OAuth 2 server with the grants `refresh_token` and `client_credentials`, introspection, revocation, its metadata,
 * a resource at `GET /me`, and an API of client secrets.
 *
 * @throws {Error} when the port is taken
 */
export async function startLocalOAuth({
  accessTokenSeconds = 3600,
  ...options
}: OAuthOptions = {}): Promise<LocalOAuth> {
  const faults = createFaultQueue();
  const clients = new Set<string>();
  const managementToken = `mgmt_fake_${randomText(24)}`;
  const families = createTokenFamilies(options);
  const state: State = {
    secrets: createClientSecrets(faults, (id) => clients.has(id)),
    families,
    accessTokens: createAccessTokens(accessTokenSeconds, families, faults),
    faults,
  };
  const local = await startProvider(options, {
    faults,
    refuse: (status, description) =>
      refusal(status, status === 429 ? "slow_down" : "server_error", description),
    answer(request) {
      const [path] = addressOf(request);
      if (!path.startsWith("/clients/")) return answerTo(request, path, state);
      if (bearerOf(request) !== managementToken) return refusal(401, "invalid_token");
      return state.secrets.answer(request) ?? refusal(404, "not_found");
    },
  });
  return {
    ...local,
    managementToken,
    addClient({ clientId = `client_fake_${randomText(8)}`, clientSecret } = {}) {
      clients.add(clientId);
      const fixed = clientSecret === undefined ? {} : { value: clientSecret };
      const { id, value } = state.secrets.create(clientId, undefined, fixed);
      return { clientId, clientSecret: value, secretId: id };
    },
    connect({ clientId, subject = "fake_person", scope = "contacts.read offline_access" }) {
      const { family, refreshToken } = families.begin({ clientId, subject, scope });
      const { value: accessToken } = state.accessTokens.create({ ...family, familyId: family.id });
      return { accessToken, refreshToken, expiresInSeconds: accessTokenSeconds, scope };
    },
    disconnect: (refreshToken) => void families.revoke(refreshToken),
    liveCredentials: () => state.secrets.live(),
    liveRefreshTokens: () => families.live(),
    revokedByReuse: () => families.revokedByReuse(),
  };
}

function answerTo(request: ProviderRequest, path: string, state: State): Answer {
  switch (`${request.method} ${path}`) {
    case "GET /.well-known/openid-configuration":
    case "GET /.well-known/oauth-authorization-server":
      return metadata(request);
    case "GET /me":
      return me(request, state);
    case "POST /oauth/token":
    case "POST /oauth/introspect":
    case "POST /oauth/revoke":
      return answerToClient(request, path, state);
    default:
      return refusal(404, "not_found");
  }
}

function metadata({ headers }: ProviderRequest): Answer {
  const issuer = `http://${headers.host}`;
  return {
    status: 200,
    body: {
      issuer,
      token_endpoint: `${issuer}/oauth/token`,
      introspection_endpoint: `${issuer}/oauth/introspect`,
      revocation_endpoint: `${issuer}/oauth/revoke`,
      grant_types_supported: ["refresh_token", "client_credentials"],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
    },
  };
}

function me(request: ProviderRequest, state: State): Answer {
  const token = state.accessTokens.use(bearerOf(request) ?? "");
  if (token !== undefined) {
    return { status: 200, body: { sub: token.subject, client_id: token.clientId, scope: token.scope } };
  }
  return {
    ...refusal(401, "invalid_token"),
    headers: { "www-authenticate": 'Bearer error="invalid_token"' },
  };
}

function answerToClient(request: ProviderRequest, path: string, state: State): Answer {
  const form = new URLSearchParams(request.body);
  const [clientId, secret] = clientIn(request, form);
  if (state.secrets.use(secret)?.clientId !== clientId) {
    return { ...refusal(401, "invalid_client"), headers: { "www-authenticate": "Basic" } };
  }
  if (path === "/oauth/token") return tokens(request, { form, clientId }, state);
  const token = form.get("token");
  if (token === null) return refusal(400, "invalid_request");
  if (path === "/oauth/introspect") {
    const found = state.accessTokens.use(token);
    if (found?.clientId !== clientId) return { status: 200, body: { active: false } };
    const { subject: sub, scope, expiresAt } = found;
    return {
      status: 200,
      body: { active: true, client_id: clientId, sub, scope, exp: Math.floor(expiresAt / 1000) },
    };
  }
  state.families.revoke(token, clientId);
  state.accessTokens.revoke(token, clientId, request);
  // The same for an unknown one: https://www.rfc-editor.org/rfc/rfc7009#section-2.2
  return { status: 200, body: {} };
}

interface TokenRequest {
  readonly form: URLSearchParams;
  readonly clientId: string;
}

function tokens(request: ProviderRequest, { form, clientId }: TokenRequest, state: State): Answer {
  switch (form.get("grant_type")) {
    case "client_credentials": {
      const grant = { clientId, subject: clientId, scope: form.get("scope") ?? "", familyId: undefined };
      return tokenAnswer(state.accessTokens.create(grant, request), request, state);
    }
    case "refresh_token": {
      const exchanged = state.families.exchange(form.get("refresh_token") ?? "", clientId);
      if (exchanged === undefined) return refusal(400, "invalid_grant");
      const { family, refreshToken } = exchanged;
      const subject = state.faults.take(["otherAccount"], request) ? "fake_other_person" : family.subject;
      const accessToken = state.accessTokens.create({ ...family, subject, familyId: family.id }, request);
      const answer = tokenAnswer(accessToken, request, state);
      return { ...answer, body: { ...answer.body, refresh_token: refreshToken } };
    }
    default:
      return refusal(400, "unsupported_grant_type");
  }
}

function tokenAnswer(token: AccessToken, request: ProviderRequest, state: State): Answer {
  return {
    status: 200,
    headers: { "cache-control": "no-store" },
    body: {
      access_token: state.faults.take(["emptyKey"], request) ? "" : token.value,
      token_type: "Bearer",
      expires_in: state.accessTokens.lifetimeSeconds,
      scope: token.scope,
    },
  };
}

/** @returns id and secret, of the header or of the form */
function clientIn({ authorization }: ProviderRequest, form: URLSearchParams): readonly [string, string] {
  const basic = /^Basic (.+)$/.exec(authorization ?? "")?.[1];
  if (basic === undefined) return [form.get("client_id") ?? "", form.get("client_secret") ?? ""];
  const [id = "", secret = ""] = Buffer.from(basic, "base64").toString().split(":", 2);
  // Both are encoded as in a form: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
  const decode = (text: string) => new URLSearchParams(`text=${text}`).get("text") ?? "";
  return [decode(id), decode(secret)];
}

function refusal(status: number, error: string, description?: string): Answer {
  return { status, body: { error, ...(description !== undefined && { error_description: description }) } };
}
