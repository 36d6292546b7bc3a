import { Link } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { buttonLook } from "../ui/button.tsx";
import { Checkbox } from "../ui/choices.tsx";
import { TextField } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { dateOf, ExpiryField, type Expiry } from "./expiry-field.tsx";
import { useMaking, type MadeKey } from "./making.ts";
import { patternsOf, scopeError, wordsOf, type Scope } from "./scope.ts";
import { ScopeField } from "./scope-field.tsx";
import { keyVerbs, verbWords, type KeyVerb } from "./words.ts";

/** Says what a new key may do. */
export function NewForm({ onMade }: { readonly onMade: (made: MadeKey) => void }): ReactNode {
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const { make, isBusy, error } = useMaking(onMade);
  const [requestId] = useState(() => crypto.randomUUID());
  const [name, setName] = useState("");
  const [verbs, setVerbs] = useState<readonly KeyVerb[]>(["use"]);
  const [scope, setScope] = useState<Scope>({ kind: "picked", picked: [], patterns: "" });
  const [addresses, setAddresses] = useState("");
  const [expiry, setExpiry] = useState<Expiry>({ kind: "90", date: "" });
  const [isTried, setTried] = useState(false);
  const expiresAt = dateOf(expiry);
  const wrong = {
    name: name.trim() === "" ? "Say which program will use it." : undefined,
    verbs: verbs.length === 0 ? "Choose at least one." : undefined,
    scope: scopeError(scope),
    expiry: expiresAt === undefined ? "Choose a day within the next year." : undefined,
  };
  const told: Partial<typeof wrong> = isTried ? wrong : {};

  const submit = (): void => {
    setTried(true);
    if (expiresAt === undefined || Object.values(wrong).some((each) => each !== undefined)) return;
    const from = wordsOf(addresses);
    void make(() =>
      client.companies.apiKeys.create.mutate({
        name: name.trim(),
        companies: [company],
        platform: false,
        verbs,
        secretKeys: patternsOf(scope),
        ...(from.length > 0 && { addresses: from }),
        expiresAt,
        requestId,
      }),
    );
  };

  return (
    <Page title="New API key">
      <Form
        onSubmit={submit}
        action="Make the key"
        busy={isBusy}
        cancel={
          <Link to="/c/$company/api-keys" params={{ company }} className={buttonLook()}>
            Cancel
          </Link>
        }
        problem={error !== undefined && <ErrorNotice error={error} />}
      >
        <TextField
          label="Name"
          hint="Of the program that will use it, such as “Payments, production”."
          value={name}
          onChange={(event) => setName(event.target.value)}
          error={told.name}
          maxLength={100}
          autoComplete="off"
        />
        <fieldset className="grid gap-2">
          <legend className="mb-2 font-medium">What it may do</legend>
          {keyVerbs.map((verb) => (
            <Checkbox
              key={verb}
              label={verbWords[verb].label}
              hint={verbWords[verb].hint}
              checked={verbs.includes(verb)}
              onChange={(isChosen) =>
                setVerbs(keyVerbs.filter((each) => (each === verb ? isChosen : verbs.includes(each))))
              }
            />
          ))}
          {told.verbs !== undefined && <p className="text-small text-danger">{told.verbs}</p>}
        </fieldset>
        <ScopeField scope={scope} onChange={setScope} error={told.scope} />
        <TextField
          label="Only from these addresses"
          hint="Optional. IP addresses and networks, such as 192.0.2.0/24, with commas between them. Empty: from anywhere."
          value={addresses}
          onChange={(event) => setAddresses(event.target.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <ExpiryField expiry={expiry} onChange={setExpiry} error={told.expiry} />
      </Form>
    </Page>
  );
}
