import type { ReactNode } from "react";
import { ShownOncePage } from "../frame/shown-once.tsx";
import { Time } from "../ui/time.tsx";
import type { MadeSecret } from "./making.ts";
import { PublicKey } from "./public-key.tsx";
import { nameOf } from "./words.ts";

interface ShownOnceProps {
  readonly made: MadeSecret;
  /** After the person has said that they have kept it. */
  readonly onKept: () => void;
}

/** The secret of an endpoint, this once. */
export function ShownOnce({ made: { secret, endpoint }, onKept }: ShownOnceProps): ReactNode {
  const { previousSecretUntil, publicKey } = endpoint;
  return (
    <ShownOncePage
      title={`Secret of ${nameOf(endpoint)}`}
      what="secret"
      text={secret}
      copyLabel="Copy the secret"
      hint="The receiver verifies notifications with it. No page shows it again; a lost one is rolled."
      loss="It is not shown again. One that was not copied is of no use: roll it."
      onKept={onKept}
    >
      {previousSecretUntil !== undefined && (
        <p className="text-muted">
          The secret before it signs as well until <Time at={previousSecretUntil} as="exact" />.
        </p>
      )}
      <section aria-label="Public key" className="grid gap-1">
        <h2 className="text-section font-medium">Public key</h2>
        <p className="text-muted">
          It verifies the signatures v1a in place of the secret, and is no secret itself. The page of the
          endpoint shows it at any time.
        </p>
        <PublicKey text={publicKey} />
      </section>
    </ShownOncePage>
  );
}
