import {
  httpBatchLink,
  httpLink,
  type OperationResultEnvelope,
  splitLink,
  TRPCClientError,
  type TRPCLink,
} from "@trpc/client";
import { observable } from "@trpc/server/observable";
import { z } from "zod";
import { wire } from "@repo/catalog";
import { apiAddress, authorization, maxBatchSize, sendToApi, type Sending } from "./api-requests.ts";
import type { AppRouter } from "./router/router.ts";

/** The API of one region. Credentials are of one region too. */
export interface ApiPlace {
  /** Where the API is, such as "https://secrets.example.com". */
  readonly url: string;
  /** An API key or an operator's token. */
  readonly credential: string;
}

/** The server takes addresses of 8,192 characters; a batch that would have a longer one is sent in several. */
const maxAddressLength = 8000;

/** Sends calls to an API. @throws {TenantSecretsError} INVALID_INPUT for an address or a credential that can be none */
export function apiLink(sending: Sending, { url, credential }: ApiPlace): TRPCLink<AppRouter> {
  const http = {
    url: apiAddress(url),
    transformer: wire,
    headers: { authorization: authorization(credential) },
    fetch: (address: unknown, init: Parameters<typeof sendToApi>[2] = {}) =>
      sendToApi(sending, String(address), init),
  };
  return splitLink({
    // One request for each: several large values together would be more than a request may hold.
    condition: (operation) => operation.type === "mutation",
    true: httpLink(http),
    false: httpBatchLink({ ...http, maxItems: maxBatchSize, maxURLLength: maxAddressLength }),
  });
}

/**
 * Makes a call once more where the company is at home, if the answer names one of these regions. A second such answer is that of
 * the call.
 *
 * @param regions the links of other regions, by region
 */
export function followingHome(regions: ReadonlyMap<string, TRPCLink<AppRouter>>): TRPCLink<AppRouter> {
  return (runtime) => {
    const homes = new Map([...regions].map(([region, link]) => [region, link(runtime)]));
    return ({ op, next }) =>
      observable<OperationResultEnvelope<unknown, TRPCClientError<AppRouter>>, TRPCClientError<AppRouter>>(
        (observer) => {
          const ends: { unsubscribe(): void }[] = [];
          const follow = (error: TRPCClientError<AppRouter>): void => {
            const home = homes.get(homeOf(error) ?? "");
            if (home === undefined) observer.error(error);
            else ends.push(home({ op, next: noLinkBehind }).subscribe(observer));
          };
          ends.push(next(op).subscribe({ ...observer, error: follow }));
          return () => ends.forEach((end) => end.unsubscribe());
        },
      );
  };
}

const Elsewhere = z.object({ reason: z.literal("WRONG_REGION"), homeRegion: z.string() });

/** The region that an answer sends the call to. */
function homeOf(error: TRPCClientError<AppRouter>): string | undefined {
  return Elsewhere.safeParse(error.data).data?.homeRegion;
}

/** The links of an API are the last ones. */
function noLinkBehind(): never {
  throw new Error("no link comes behind that of an API");
}
