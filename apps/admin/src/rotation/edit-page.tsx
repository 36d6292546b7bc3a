import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { Page } from "../frame/page.tsx";
import type { RotationDriver, RotationPolicy } from "../frame/rotation-words.ts";
import { Loaded } from "../ui/loaded.tsx";
import { draftOf } from "./policy-draft.ts";
import { PolicyForm } from "./policy-form.tsx";

/** Where the policy of a secret is replaced by another one. */
export function EditPolicyPage(): ReactNode {
  const { can } = useCompany();
  return can("rotate") ? <FoundPolicy /> : <NotYoursPage />;
}

function FoundPolicy(): ReactNode {
  const { subdomain: company } = useCompany();
  const { secretKey } = useParams({ from: "/signed-in/c/$company/rotation/$secretKey" });
  const trpc = useTRPC();
  const query = useQuery(trpc.rotation.policies.queryOptions({ company }));
  if (query.data === undefined) {
    return (
      <Page title="Rotation policy">
        <Loaded query={query}>{() => null}</Loaded>
      </Page>
    );
  }
  const { policies, drivers } = query.data;
  const found = policies.find((policy) => policy.secretKey === secretKey);
  return found === undefined ? (
    <NotYoursPage />
  ) : (
    <Page title={`Rotation of ${secretKey}`}>
      <Fields key={secretKey} policy={found} drivers={drivers} />
    </Page>
  );
}

interface FieldsProps {
  readonly policy: RotationPolicy;
  readonly drivers: readonly RotationDriver[];
}

function Fields({ policy, drivers }: FieldsProps): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const list = useQuery(trpc.secrets.list.queryOptions({ company }));
  const [draft, setDraft] = useState(() =>
    draftOf(
      policy,
      drivers.find(({ name }) => name === policy.driver),
    ),
  );
  return (
    <Loaded query={list}>
      {({ secrets }) => (
        <PolicyForm
          draft={draft}
          onChange={setDraft}
          drivers={drivers}
          secretKeys={secrets.map(({ secretKey }) => secretKey)}
        />
      )}
    </Loaded>
  );
}
