import { OAuthClient, OAuthTokens } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { type OutboundAnswer, standardFetch } from "@repo/outbound";
import { z } from "zod";
import type { DriverCall, ExchangeDriver } from "./driver.ts";
import { DriverError, type DriverFailure } from "./driver-error.ts";
import { failureOf, findJson, send } from "./requests.ts";

/** A provider's token endpoint, in the deployment's code: a tenant names no address that a credential is sent to. */
export interface Oauth2Options {
  /** What catalogue entries and policies call the driver. */
  readonly name: string;
  readonly tokenEndpoint: string;
  /** Needed where the provider answers with ID tokens. Default: the origin of `tokenEndpoint`. */
  readonly issuer?: string | undefined;
  readonly grant: "refresh-token" | "client-credentials";
  /** How the client says who it is. Default: "basic", in the header. */
  readonly clientAuthentication?: "basic" | "post" | undefined;
  /** Asked for with client credentials; a refreshed token has the scope of the one before it. */
  readonly scope?: string | undefined;
  /**
   * An address that answers 200 to a GET with the access token, and 401 without a good one. Left out: a token counts as accepted
   * until its end, since the provider has just made it.
   */
  readonly testUrl?: string | undefined;
}

const Settings = z.strictObject({});
type Call = DriverCall<z.output<typeof Settings>>;

/** Errors of a token endpoint (RFC 6749, 5.2) that a person has to do something about. */
const oauthErrors: ReadonlyMap<string, DriverFailure> = new Map([
  ["invalid_grant", "reauth-required"],
  ["invalid_client", "not-allowed"],
  ["unauthorized_client", "not-allowed"],
  ["access_denied", "not-allowed"],
  ["invalid_scope", "misconfigured"],
  ["unsupported_grant_type", "misconfigured"],
  ["invalid_request", "misconfigured"],
]);
const OauthRefusal = z.object({ error: z.string() });

/**
 * Exchanges OAuth 2 tokens for new ones before they end. The manager is a secret of the client, {clientId, clientSecret}.
 *
 * A refresh token is used up by its exchange: where the answer is lost, the provider may take the same one again for a moment, or
 * ask for the person's consent again.
 */
export function createOauth2Driver(options: Oauth2Options): ExchangeDriver<z.output<typeof Settings>> {
  const isRefreshing = options.grant === "refresh-token";
  return {
    name: options.name,
    creates: "exchange",
    settings: Settings,
    overlap: isRefreshing ? "single-use" : "both-valid",
    settleSeconds: 30,
    manager: "required",
    leastSeconds: 600,

    async exchange(call) {
      const client = readJsonValue(call.manager, OAuthClient);
      const current = isRefreshing ? readJsonValue(call.current, OAuthTokens) : undefined;
      if (isRefreshing && current?.refreshToken === undefined) throw new DriverError("misconfigured");
      const answer = await grant(call, options, { client, refreshToken: current?.refreshToken });
      const expiresAt =
        answer.expiresIn === undefined ? undefined : new Date(Date.now() + answer.expiresIn * 1000);
      const scope = answer.scope ?? current?.scope;
      // A provider that gives no further refresh token goes on taking this one.
      const refreshToken = answer.refreshToken ?? current?.refreshToken;
      const tokens: OAuthTokens = {
        accessToken: answer.accessToken,
        ...(refreshToken !== undefined && { refreshToken }),
        ...(expiresAt !== undefined && { expiresAt: expiresAt.toISOString() }),
        ...(scope !== undefined && { scope }),
      };
      return { value: Plaintext.fromText(JSON.stringify(tokens)), expiresAt };
    },

    async test(call, value) {
      const { accessToken, expiresAt } = readJsonValue(value, OAuthTokens);
      if (options.testUrl === undefined) {
        return expiresAt !== undefined && Date.parse(expiresAt) <= Date.now() ? "rejected" : "accepted";
      }
      try {
        const headers = { authorization: `Bearer ${accessToken}`, accept: "application/json" };
        const answer = await send(call, options.testUrl, { method: "GET", headers });
        // A page comes from something in between, with any status.
        if (answer.headers.get("content-type")?.startsWith("text/html") === true) return "unknown";
        return answer.status === 200 ? "accepted" : answer.status === 401 ? "rejected" : "unknown";
      } catch (error) {
        if (error instanceof DriverError && error.code === "misconfigured") throw error;
        return "unknown";
      }
    },
  };
}

interface GrantRequest {
  readonly client: OAuthClient;
  readonly refreshToken: string | undefined;
}

interface GrantAnswer {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  readonly expiresIn: number | undefined;
  readonly scope: string | undefined;
}

/** @throws {DriverError} */
async function grant(call: Call, options: Oauth2Options, request: GrantRequest): Promise<GrantAnswer> {
  // The library is large, and most processes refresh nothing.
  const oauth = await import("openid-client");
  const { clientId, clientSecret } = request.client;
  const authentication =
    options.clientAuthentication === "post" ? oauth.ClientSecretPost : oauth.ClientSecretBasic;
  const configuration = new oauth.Configuration(
    {
      issuer: options.issuer ?? new URL(options.tokenEndpoint).origin,
      token_endpoint: options.tokenEndpoint,
    },
    clientId,
    undefined,
    authentication(clientSecret),
  );
  // The library wraps what its fetch throws, and knows nothing of answers that may be repeated.
  const last: { answer?: OutboundAnswer; failure?: unknown } = {};
  const guarded = standardFetch({
    fetch: async (url, asked) => {
      try {
        last.answer = await send(call, url, asked);
        return last.answer;
      } catch (error) {
        last.failure = error;
        throw error;
      }
    },
  });
  configuration[oauth.customFetch] = (url, { body = null, ...init }) =>
    guarded(url, { ...init, body: body instanceof Uint8Array ? new Uint8Array(body) : body });
  // Whether an address may be connected to without encryption is for the guarded fetch to say.
  oauth.allowInsecureRequests(configuration);
  try {
    const tokens =
      request.refreshToken === undefined
        ? await oauth.clientCredentialsGrant(configuration, options.scope ? { scope: options.scope } : {})
        : await oauth.refreshTokenGrant(configuration, request.refreshToken);
    return {
      accessToken: tokens.access_token,
      refreshToken: tokens.refresh_token,
      expiresIn: tokens.expires_in,
      scope: tokens.scope,
    };
  } catch {
    if (last.failure instanceof DriverError) throw last.failure;
    throw last.answer === undefined ? new DriverError("transient") : refusalOf(last.answer);
  }
}

function refusalOf(answer: OutboundAnswer): DriverError {
  if (answer.status === 429 || answer.status >= 500) return failureOf(answer);
  const refusal = answer.status >= 400 ? findJson(answer, OauthRefusal) : undefined;
  return new DriverError(oauthErrors.get(refusal?.error ?? "") ?? "transient");
}

/** @throws {DriverError} misconfigured for a value of another form */
function readJsonValue<Shape extends z.ZodType>(value: Plaintext | undefined, shape: Shape): z.output<Shape> {
  const found = value && findJson({ body: value.bytes }, shape);
  if (found === undefined) throw new DriverError("misconfigured");
  return found;
}
