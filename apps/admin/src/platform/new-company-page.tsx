import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent, type ReactNode } from "react";
import type { ApiInputs } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import { explain } from "../errors.ts";
import { Page } from "../frame/page.tsx";
import { Button, buttonLook } from "../ui/button.tsx";
import { RadioGroup } from "../ui/choices.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { storeWords } from "./words.ts";

type Store = ApiInputs["companies"]["create"]["secretStore"];

const stores = [
  {
    value: "database",
    label: storeWords.database,
    hint: "Encrypted under a key of the company’s own. With history, staging and grace windows.",
  },
  {
    value: "infisical",
    label: storeWords.infisical,
    hint: "In a folder of the company’s own in Infisical, under Infisical’s key.",
  },
  {
    value: "hybrid",
    label: storeWords.hybrid,
    hint: "For a move: read from Infisical until they are written, and then kept in the database.",
  },
] as const satisfies readonly { readonly value: Store; readonly label: string; readonly hint: string }[];

/** Makes a company. Its owner is invited on its page. */
export function NewCompanyPage(): ReactNode {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const [subdomain, setSubdomain] = useState("");
  const [secretStore, setSecretStore] = useState<Store>("database");
  const [requestId, setRequestId] = useState(() => crypto.randomUUID());
  const create = useMutation(
    trpc.companies.create.mutationOptions({
      onSuccess: async () => {
        await queryClient.invalidateQueries(trpc.companies.list.pathFilter());
        await navigate({ to: "/platform/companies/$subdomain", params: { subdomain } });
      },
    }),
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    create.mutate({ subdomain, secretStore, requestId });
  };
  const edit = (change: () => void): void => {
    change();
    create.reset();
    setRequestId(crypto.randomUUID());
  };
  // What is wrong with the name belongs to its field; anything else is said above.
  const failure = create.error === null ? undefined : explain(create.error);
  const isOfTheName = failure?.reason === "CONFLICT" || failure?.reason === "INVALID_INPUT";
  return (
    <Page title="New company">
      <form className="grid max-w-[560px] gap-6" onSubmit={submit}>
        {create.error !== null && !isOfTheName && <ErrorNotice error={create.error} />}
        <TextField
          label="Subdomain"
          hint="Lower-case letters, digits and hyphens. It is in every link of the company, and can be changed later."
          error={isOfTheName ? (failure.detail ?? failure.text) : undefined}
          value={subdomain}
          onChange={({ target }) => edit(() => setSubdomain(target.value))}
          required
          maxLength={63}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
        <RadioGroup
          label="Its secrets live in"
          value={secretStore}
          onChange={(store) => edit(() => setSecretStore(store))}
          options={stores}
        />
        <div className="flex flex-wrap gap-2">
          <Button kind="primary" type="submit" busy={create.isPending} disabled={subdomain === ""}>
            Create company
          </Button>
          <Link to="/platform/companies" className={buttonLook()}>
            Cancel
          </Link>
        </div>
      </form>
    </Page>
  );
}
