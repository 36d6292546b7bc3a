import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { nearestKey } from "@repo/tenant-secrets/files";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { Button, buttonLook } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { Notice } from "../ui/notice.tsx";
import { SecretName } from "../ui/secret-name.tsx";
import { useToast } from "../ui/toast.tsx";
import { useDraftKeys } from "./drafts.ts";
import { Badge } from "../ui/badge.tsx";
import { entryOf, useCatalog } from "../frame/catalog.ts";
import { useSecretList } from "./form-catalog.ts";
import { SecretForm } from "./form-secret.tsx";
import type { Saved } from "./form-save.ts";
import { ReplaceForm } from "./form.tsx";
import { isEnvText, useImportOf } from "./import-paste.ts";
import { PendingVersion } from "./stage.tsx";

/** Which secret to add. */
export function ChooseSecretPage(): ReactNode {
  const { subdomain: company, can } = useCompany();
  return (
    <Page title="Add a secret">{can("write") ? <ChooseSecretKey company={company} /> : <NotAllowed />}</Page>
  );
}

/** Adds the secret of the address, or replaces its value where it is there already. */
export function AddSecretPage(): ReactNode {
  const { subdomain: company, can } = useCompany();
  const { secretKey } = useParams({ from: "/signed-in/c/$company/secrets/new/$secretKey" });
  const { secrets } = useSecretList(company);
  const isThere = secrets.some((secret) => secret.secretKey === secretKey);
  return (
    <Page title={isThere ? "Replace a value" : "Add a secret"}>
      {can("write") ? <AddSecret key={secretKey} company={company} secretKey={secretKey} /> : <NotAllowed />}
    </Page>
  );
}

function NotAllowed(): ReactNode {
  return <Notice title="Your role does not include this">Owners, admins and members can add secrets.</Notice>;
}

function AddSecret({
  company,
  secretKey,
}: {
  readonly company: string;
  readonly secretKey: string;
}): ReactNode {
  const catalog = useCatalog();
  const { secrets, capabilities } = useSecretList(company);
  const navigate = useNavigate();
  const say = useToast();
  const entry = entryOf(catalog, secretKey);
  const current = secrets.find((secret) => secret.secretKey === secretKey);
  // A page that adds stays one when its secret is there.
  const [isNew] = useState(current === undefined);
  if (entry === undefined) return <ChooseSecretKey company={company} typed={secretKey} />;
  const leave = (): void => void navigate({ to: "/c/$company/secrets", params: { company } });
  const finish = ({ version, isPending }: Saved): void => {
    say(`${secretKey} was ${isPending ? "staged" : "saved"} as version ${version}`);
    void navigate({ to: "/c/$company/secrets/$secretKey", params: { company, secretKey } });
  };
  return (
    <div className="grid max-w-[560px] gap-4">
      <SecretName secretKey={secretKey} label={entry.label} />
      {current === undefined || isNew ? (
        <SecretForm
          key={`${company}/${secretKey}`}
          target={{ company, secretKey, entry, current, capabilities }}
          onDone={finish}
          onCancel={leave}
        />
      ) : (
        <>
          <PendingVersion company={company} secret={current} canWrite />
          <ReplaceForm company={company} secretKey={secretKey} onDone={finish} onCancel={leave} />
        </>
      )}
    </div>
  );
}

function ChooseSecretKey({
  company,
  typed = "",
}: {
  readonly company: string;
  readonly typed?: string;
}): ReactNode {
  const catalog = useCatalog();
  const { secrets } = useSecretList(company);
  const navigate = useNavigate();
  const importText = useImportOf(company);
  const [name, setName] = useState(typed);
  const drafted = useDraftKeys(company);
  const present = new Set(secrets.map(({ secretKey }) => secretKey));
  const missing = catalog.secrets.filter(({ secretKey }) => !present.has(secretKey));
  const go = (secretKey: string): void => {
    void navigate({ to: "/c/$company/secrets/new/$secretKey", params: { company, secretKey } });
  };
  /** A line of a file, pasted into the name, is no name: the import reads it as it is. */
  const type = (text: string): void => (isEnvText(text) ? importText(text) : setName(text));
  const isKnown = entryOf(catalog, name) !== undefined;
  const nearest = nearestKey(
    name,
    catalog.secrets.map(({ secretKey }) => secretKey),
  );
  const own = `CUSTOM_${name.replace(/\W/g, "_")}`;
  const offered = [nearest, own].filter((key) => key !== undefined && entryOf(catalog, key) !== undefined);
  return (
    <div className="grid max-w-[560px] gap-6">
      <form
        className="grid gap-3"
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          if (isKnown) go(name);
        }}
      >
        <TextField
          label="Secret key"
          value={name}
          onChange={(event) => type(event.target.value)}
          onPaste={(event) => {
            // The field itself would take the line breaks out.
            const text = event.clipboardData.getData("text/plain");
            if (!isEnvText(text)) return;
            event.preventDefault();
            importText(text);
          }}
          error={name === "" || isKnown ? undefined : "The catalogue does not have this secret key."}
          hint="One of those below, or CUSTOM_ and a name of your own."
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
        <div className="flex flex-wrap gap-2">
          <Button kind="primary" type="submit" disabled={!isKnown}>
            Continue
          </Button>
          {name !== "" &&
            !isKnown &&
            offered.map((key) => (
              <Button key={key} onClick={() => go(String(key))}>
                Use {key}
              </Button>
            ))}
        </div>
      </form>
      {missing.length > 0 && (
        <section aria-labelledby="missing" className="grid gap-2">
          <h2 id="missing" className="text-section font-medium">
            In the catalogue, without a value
          </h2>
          <ul className="divide-y divide-line rounded-panel border border-line bg-surface">
            {missing.map(({ secretKey, label, purpose }) => (
              <li key={secretKey} className="flex items-center gap-3 px-3 py-2.5">
                <div className="grid min-w-0 flex-1 gap-0.5">
                  <SecretName secretKey={secretKey} label={label} />
                  <span className="text-small text-muted">{purpose}</span>
                </div>
                {drafted.includes(secretKey) && <Badge tone="accent">Draft</Badge>}
                <Link
                  to="/c/$company/secrets/new/$secretKey"
                  params={{ company, secretKey }}
                  className={buttonLook()}
                  aria-label={`Add ${secretKey}`}
                >
                  Add
                </Link>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}
