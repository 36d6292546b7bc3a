import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Button } from "../ui/button.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { ExpiryDialog } from "./expiry-dialog.tsx";
import type { EntryDescription } from "../frame/catalog.ts";
import type { SecretDescription, SecretList } from "./form-catalog.ts";
import { HealthBadge } from "./list-health.tsx";
import { healthOf } from "./list-rows.ts";

interface FactsProps {
  readonly list: SecretList;
  readonly secret: SecretDescription;
  readonly entry: EntryDescription | undefined;
}

/** What is known of a secret without its value. */
export function Facts({ list: { store, capabilities }, secret, entry }: FactsProps): ReactNode {
  const { version, updatedAt, updatedBy, lastUsedAt, previousUntil, location } = secret;
  const { can } = useCompany();
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] items-center gap-x-6 gap-y-2">
      <Fact name="Health">
        <Health secret={secret} entry={entry} canBeStored={capabilities.checks} />
      </Fact>
      <Fact name="Version">{version === 0 ? "None here: its value is only in Infisical" : version}</Fact>
      <Fact name="Updated">
        <Time at={updatedAt} />
        {updatedBy !== undefined && ` by ${updatedBy.name ?? updatedBy.id}`}
      </Fact>
      <Fact name="Last used">{lastUsedAt === undefined ? "Never" : <Time at={lastUsedAt} />}</Fact>
      <Fact name="Expires">
        <Expiry secret={secret} isKept={capabilities.expiry} canSet={can("write") && entry !== undefined} />
      </Fact>
      {previousUntil !== undefined && (
        <Fact name="Value before">
          valid for programs until <Time at={previousUntil} as="exact" />
        </Fact>
      )}
      {store === "hybrid" && (
        <Fact name="Place">
          {location === "infisical"
            ? "Infisical; it moves into the database when a program reads it"
            : "Database"}
        </Fact>
      )}
    </dl>
  );
}

interface ExpiryProps {
  readonly secret: SecretDescription;
  readonly isKept: boolean;
  readonly canSet: boolean;
}

function Expiry({ secret, isKept, canSet }: ExpiryProps): ReactNode {
  const { subdomain: company } = useCompany();
  const [isSetting, setSetting] = useState(false);
  const { expiresAt } = secret;
  if (!isKept) return "Not kept in Infisical";
  return (
    <div className="flex flex-wrap items-center gap-2">
      {expiresAt === undefined ? "No date was given" : <Time at={expiresAt} as="until" />}
      {canSet && (
        <Button kind="quiet" onClick={() => setSetting(true)}>
          Set expiry
        </Button>
      )}
      {isSetting && <ExpiryDialog company={company} secret={secret} onClose={() => setSetting(false)} />}
    </div>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }): ReactNode {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  );
}

function Health({
  secret,
  entry,
  canBeStored,
}: Pick<FactsProps, "secret" | "entry"> & { readonly canBeStored: boolean }): ReactNode {
  const { subdomain: company, can } = useCompany();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const check = useMutation(
    trpc.secrets.check.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries(trpc.secrets.list.queryFilter({ company })),
    }),
  );
  const isCheckable = can("use") && canBeStored && entry?.check !== undefined && secret.version > 0;
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap items-center gap-2">
        <HealthBadge health={healthOf(secret, entry)} />
        {secret.check !== undefined && (
          <span className="text-small text-muted">
            <Time at={secret.check.checkedAt} />
          </span>
        )}
        {isCheckable && (
          <Button
            kind="quiet"
            busy={check.isPending}
            onClick={() => check.mutate({ company, secretKey: secret.secretKey })}
          >
            Check now
          </Button>
        )}
      </div>
      {check.error !== null && <ErrorNotice error={check.error} />}
    </div>
  );
}
