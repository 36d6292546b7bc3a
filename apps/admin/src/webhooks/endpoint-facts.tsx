import type { ReactNode } from "react";
import { Time } from "../ui/time.tsx";
import { PublicKey } from "./public-key.tsx";
import { wordsOfType } from "./type-words.ts";
import type { Endpoint } from "./words.ts";

/** What is known of an endpoint. */
export function EndpointFacts({ endpoint }: { readonly endpoint: Endpoint }): ReactNode {
  const { url, types, perSecond, publicKey, previousSecretUntil, failingSince, waiting, dead } = endpoint;
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] items-baseline gap-x-6 gap-y-2 rounded-panel border border-line bg-surface px-3 py-3">
      <Fact name="Address">
        <span translate="no" className="font-mono text-code break-all">
          {url}
        </span>
      </Fact>
      <Fact name="Notifications">{types === undefined ? "All" : types.map(wordsOfType).join(" · ")}</Fact>
      <Fact name="Waiting">
        <span className="tabular-nums">{waiting}</span>
      </Fact>
      <Fact name="Given up">
        <span className={`tabular-nums ${dead > 0 ? "font-medium text-danger" : ""}`}>{dead}</span>
        {" of those in the log"}
      </Fact>
      {failingSince !== undefined && (
        <Fact name="Failing since">
          <Time at={failingSince} as="exact" />
        </Fact>
      )}
      <Fact name="At most">{perSecond} a second</Fact>
      {previousSecretUntil !== undefined && (
        <Fact name="Old secret">
          Signs as well until <Time at={previousSecretUntil} as="exact" />
        </Fact>
      )}
      <Fact name="Public key">
        <PublicKey text={publicKey} />
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }): ReactNode {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </>
  );
}
