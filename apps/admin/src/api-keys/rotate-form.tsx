import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { Button, buttonLook } from "../ui/button.tsx";
import { Select } from "../ui/field.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { useMaking, type MadeKey } from "./making.ts";
import { inWords, type ApiKey } from "./words.ts";

const windows = [
  { value: "3600", label: "1 hour" },
  { value: "86400", label: "24 hours" },
  { value: "604800", label: "7 days" },
  { value: "2592000", label: "30 days" },
  { value: "0", label: "No longer: it ends at once" },
];

interface RotateFormProps {
  /** Of the key that is followed by another one. */
  readonly id: string;
  readonly onMade: (made: MadeKey) => void;
}

/** Makes the next key with the same scopes, while the old one still works for a while. */
export function RotateForm({ id, onMade }: RotateFormProps): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const query = useQuery(trpc.companies.apiKeys.list.queryOptions({ company }));
  return (
    <Page title="Rotate an API key">
      <Loaded query={query}>
        {(keys) => {
          const key = keys.find((each) => each.id === id);
          return key === undefined ? (
            <Notice title="This API key is not here">
              It may have been revoked long ago. The list has those that are there.
            </Notice>
          ) : (
            <Rotation apiKey={key} onMade={onMade} />
          );
        }}
      </Loaded>
    </Page>
  );
}

function Rotation({
  apiKey,
  onMade,
}: Pick<RotateFormProps, "onMade"> & { readonly apiKey: ApiKey }): ReactNode {
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const { make, isBusy, error } = useMaking(onMade);
  const [seconds, setSeconds] = useState("86400");
  const [requestId] = useState(() => crypto.randomUUID());
  const rotate = (): Promise<void> =>
    make(() =>
      client.companies.apiKeys.rotate.mutate({
        company,
        id: apiKey.id,
        graceSeconds: Number(seconds),
        requestId: `${requestId}-${seconds}`,
      }),
    );
  return (
    <form
      className="grid max-w-[640px] gap-6"
      onSubmit={(event) => {
        event.preventDefault();
        void rotate();
      }}
    >
      <div className="grid gap-1">
        <h2 className="truncate text-section font-medium">{apiKey.name}</h2>
        <p className="text-muted">
          The next key has the same scopes, and is valid for as long: {inWords(apiKey.verbs).toLowerCase()}{" "}
          <span translate="no" className="font-mono text-code break-all">
            {apiKey.secretKeys.includes("*") ? "all secrets" : apiKey.secretKeys.join(", ")}
          </span>
          .
        </p>
      </div>
      <Select
        label="The old key still works for"
        value={seconds}
        onChange={(event) => setSeconds(event.target.value)}
        options={windows}
        hint="Time to bring the new one to every program. Revoking the old one ends it earlier."
      />
      {error !== undefined && <ErrorNotice error={error} />}
      <div className="flex flex-wrap gap-2">
        <Button kind="primary" type="submit" busy={isBusy}>
          Make the next key
        </Button>
        <Link to="/c/$company/api-keys" params={{ company }} className={buttonLook()}>
          Cancel
        </Link>
      </div>
    </form>
  );
}
