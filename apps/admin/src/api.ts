import { QueryClient } from "@tanstack/react-query";
import { createTRPCClient, httpBatchLink, httpLink, splitLink, type TRPCClient } from "@trpc/client";
import { createTRPCContext, createTRPCOptionsProxy } from "@trpc/tanstack-react-query";
import { wire, type AppRouter } from "@repo/tenant-secrets/client";
import { reasonOf } from "./errors.ts";

/**
 * In components: `useTRPC()` for queries (`useQuery(trpc.secrets.list.queryOptions({ company }))`), `useTRPCClient()` for calls
 * whose answer may stay nowhere but in the component's own state, such as a value.
 */
export const { TRPCProvider, useTRPC, useTRPCClient } = createTRPCContext<AppRouter, { keyPrefix: true }>();

/** As whom the server takes a call: pages below `/platform` act as the operator that the person also is. */
export type ActsAs = "person" | "operator";

export interface Api {
  /** One for each way to act. Their answers are kept apart in the one cache, by `keyPrefix`. */
  readonly clients: Readonly<Record<ActsAs, TRPCClient<AppRouter>>>;
  readonly queryClient: QueryClient;
}

/** The server runs no more calls of one request, and takes addresses of 8,192 characters. */
const maxItems = 10;
const maxURLLength = 8000;

/**
 * Opens nothing before the first call.
 *
 * @param onUnauthenticated called for each answer that says so: there is no session, or it has ended
 */
export function createApi(onUnauthenticated: () => void): Api {
  const queryClient = createQueryClient();
  const clientFor = (actsAs: ActsAs): TRPCClient<AppRouter> => {
    const http = {
      url: "/trpc",
      transformer: wire,
      headers: actsAs === "operator" ? { "tenant-secrets-as": "operator" } : {},
      fetch: async (url: RequestInfo | URL, init: object = {}): Promise<Response> => {
        const response = await fetch(url, init);
        if (response.status === 401) onUnauthenticated();
        return response;
      },
    };
    return createTRPCClient<AppRouter>({
      links: [
        splitLink({
          condition: ({ type }) => type === "mutation",
          true: httpLink(http),
          false: httpBatchLink({ ...http, maxItems, maxURLLength }),
        }),
      ],
    });
  };
  return { clients: { person: clientFor("person"), operator: clientFor("operator") }, queryClient };
}

/** The queries of the API outside components that know as whom they act. */
export function queriesOf({ clients, queryClient }: Api, actsAs: ActsAs) {
  return createTRPCOptionsProxy<AppRouter, { keyPrefix: true }>({
    client: clients[actsAs],
    queryClient,
    keyPrefix: actsAs,
  });
}

/**
 * Looking costs a line of the audit log: nothing is asked again because a window got the focus or some time went by. A list is
 * asked again when `companies.stamp` says that it moved (frame/company-changes.ts), or after a change of one's own.
 */
function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: Infinity,
        refetchOnWindowFocus: false,
        refetchOnReconnect: false,
        retry: (failures, error) => failures < 2 && isPassing(error),
        retryDelay: (failures) => 500 * 2 ** failures,
        // A page that says what does not answer recovers by itself. Calls that fail so are not audited.
        refetchInterval: ({ state: { error } }) => (error !== null && isOutage(error) ? outageMs : false),
      },
      // What a mutation was given may hold a value: it is dropped with the component.
      mutations: { gcTime: 0, retry: false, networkMode: "always" },
    },
  });
}

const outageMs = 5000;

function isOutage(error: Error): boolean {
  const reason = reasonOf(error);
  return reason === "DATABASE_UNAVAILABLE" || reason === "AUDIT_UNAVAILABLE" || reason === "NO_ANSWER";
}

function isPassing(error: Error): boolean {
  const reason = reasonOf(error);
  return reason === "NO_ANSWER" || reason === "OVERLOADED";
}
