import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC } from "../../api.ts";
import { Copy } from "../../ui/copy.tsx";
import { Loaded } from "../../ui/loaded.tsx";
import { SkeletonRows } from "../../ui/skeleton.tsx";
import { Panel, PanelRow, Section } from "../section.tsx";

/** What operators of other regions need of this one: its identity, and by another way its fingerprint. */
export function ThisRegion(): ReactNode {
  const trpc = useTRPC();
  const query = useQuery(trpc.regions.identity.queryOptions(undefined, { retry: false }));
  return (
    <Section title="This region">
      <Loaded query={query} skeleton={<SkeletonRows rows={2} />}>
        {(identity) => (
          <Panel>
            <PanelRow
              title={identity.region}
              action={
                <Copy text={JSON.stringify(identity, null, 2)} label="Copy the identity of this region" />
              }
            >
              Copy its identity, and send it to an operator of the other region. It holds no secret.
            </PanelRow>
            <PanelRow
              title="Fingerprint"
              action={<Copy text={identity.fingerprint} label="Copy the fingerprint" />}
            >
              <code className="font-mono text-code break-words">{identity.fingerprint}</code>
              <p>
                Tell it by another way than the identity goes, such as by telephone. Who could replace both
                would read what is copied.
              </p>
            </PanelRow>
          </Panel>
        )}
      </Loaded>
    </Section>
  );
}
