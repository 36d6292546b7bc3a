import { useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { Page } from "../frame/page.tsx";
import type { RotationDriver } from "../frame/rotation-words.ts";
import { Select } from "../ui/field.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Notice } from "../ui/notice.tsx";
import { inOrder } from "./driver-fields.tsx";
import { newDraft, type PolicyDraft } from "./policy-draft.ts";
import { PolicyForm } from "./policy-form.tsx";

/** Where a secret begins to be rotated. */
export function NewPolicyPage(): ReactNode {
  const { can } = useCompany();
  return can("rotate") ? <NewPolicy /> : <NotYoursPage />;
}

function NewPolicy(): ReactNode {
  const { subdomain: company } = useCompany();
  const { secret } = useSearch({ from: "/signed-in/c/$company/rotation/new" });
  const trpc = useTRPC();
  const rotation = useQuery(trpc.rotation.policies.queryOptions({ company }));
  const list = useQuery(trpc.secrets.list.queryOptions({ company }));
  return (
    <Page title="New rotation policy">
      <Loaded query={list}>
        {({ secrets, capabilities }) =>
          capabilities.rotation ? (
            <Loaded query={rotation}>
              {({ policies, drivers }) => {
                const rotated = new Set(policies.map(({ secretKey }) => secretKey));
                const secretKeys = secrets.map(({ secretKey }) => secretKey);
                return (
                  <Fields
                    secret={secret}
                    drivers={drivers}
                    secretKeys={secretKeys}
                    free={secretKeys.filter((secretKey) => !rotated.has(secretKey))}
                  />
                );
              }}
            </Loaded>
          ) : (
            <Notice title="Not in Infisical">
              Secrets of a company on Infisical have no versions, and are not rotated. An operator can move{" "}
              {company} to the database.
            </Notice>
          )
        }
      </Loaded>
    </Page>
  );
}

interface FieldsProps {
  /** Of the address. */
  readonly secret: string | undefined;
  readonly drivers: readonly RotationDriver[];
  readonly secretKeys: readonly string[];
  /** Secrets without a policy. */
  readonly free: readonly string[];
}

function Fields({ secret, drivers, secretKeys, free }: FieldsProps): ReactNode {
  const draftFor = (secretKey: string): PolicyDraft => newDraft(secretKey, inOrder(drivers, secretKey)[0]);
  const [draft, setDraft] = useState(() =>
    draftFor(secret !== undefined && free.includes(secret) ? secret : ""),
  );
  if (free.length === 0) {
    return <Notice>Each secret of this company that has a value has a rotation policy already.</Notice>;
  }
  return (
    <PolicyForm draft={draft} onChange={setDraft} drivers={drivers} secretKeys={secretKeys}>
      {(error) => (
        <Select
          label="Secret"
          value={draft.secretKey}
          onChange={(event) => setDraft(draftFor(event.target.value))}
          options={[
            ...(draft.secretKey === "" ? [{ value: "", label: "Choose…" }] : []),
            ...free.map((secretKey) => ({ value: secretKey, label: secretKey })),
          ]}
          error={error}
        />
      )}
    </PolicyForm>
  );
}
