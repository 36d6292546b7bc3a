import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { Button, buttonLook } from "../ui/button.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { importTexts, useImportText } from "./drafts.ts";
import { useSecretList } from "./form-catalog.ts";
import { useImport, type Written } from "./import-plan.ts";
import { ImportPreview } from "./import-preview.tsx";
import { rowsOf } from "./import-rows.ts";
import { ImportSource } from "./import-source.tsx";

/** Writes the secrets of a `.env` or JSON file, after a look at what that changes. */
export function ImportPage(): ReactNode {
  const { subdomain: company, can } = useCompany();
  const [written, setWritten] = useState<readonly Written[]>();
  return (
    <Page title="Import secrets">
      {can("write") ? (
        written === undefined ? (
          <Import company={company} onDone={setWritten} />
        ) : (
          <Done company={company} written={written} onMore={() => setWritten(undefined)} />
        )
      ) : (
        <Notice title="Your role does not include this">
          Owners, admins and members can import secrets.
        </Notice>
      )}
    </Page>
  );
}

interface ImportProps {
  readonly company: string;
  readonly onDone: (written: readonly Written[]) => void;
}

function Import({ company, onDone }: ImportProps): ReactNode {
  const { capabilities } = useSecretList(company);
  const text = useImportText(company);
  const { plan, state, compare, write, change, leave } = useImport(company, capabilities);
  const setText = (next: string): void => importTexts.set(company, "", next === "" ? null : next);
  // A file that was pasted elsewhere has been read there.
  const [pasted] = useState(() => rowsOf(text).rows);
  const isFirst = useRef(true);
  useEffect(() => {
    if (isFirst.current && pasted.length > 0 && capabilities.bulk) void compare(pasted);
    isFirst.current = false;
  });
  if (!capabilities.bulk) {
    return <Notice title="Not in Infisical">Several secrets at once are written one by one there.</Notice>;
  }
  const commit = async (): Promise<void> => {
    const written = await write();
    if (written === undefined) return;
    setText("");
    onDone(written);
  };
  return (
    <div className="grid max-w-[760px] gap-4">
      {plan === undefined ? (
        <ImportSource
          text={text}
          onText={setText}
          busy={state.step === "busy"}
          onPreview={(rows) => void compare(rows)}
        />
      ) : (
        <ImportPreview
          plan={plan}
          busy={state.step === "busy"}
          onCompare={(rows) => void compare(rows)}
          onChange={change}
          onWrite={() => void commit()}
          onBack={leave}
        />
      )}
      {state.step === "unknown" && (
        <Notice
          kind="warn"
          title="We do not know whether it was written"
          action={<Button onClick={() => void commit()}>Write again</Button>}
        >
          No answer came. Writing again is safe: it is applied once.
        </Notice>
      )}
      {state.step === "failed" && <ErrorNotice error={state.error} />}
    </div>
  );
}

function Done({
  company,
  written,
  onMore,
}: {
  readonly company: string;
  readonly written: readonly Written[];
  readonly onMore: () => void;
}): ReactNode {
  return (
    <div className="grid max-w-[760px] gap-4">
      <Notice kind="ok" title={`${count(written.length)} written`}>
        <ul className="grid gap-1">
          {written.map(({ secretKey, version }) => (
            <li key={secretKey} className="flex flex-wrap gap-x-2">
              <span className="font-mono text-code break-all">{secretKey}</span>
              <span className="text-muted">version {version}</span>
            </li>
          ))}
        </ul>
      </Notice>
      <div className="flex flex-wrap gap-2">
        <Link to="/c/$company/secrets" params={{ company }} className={buttonLook("primary")}>
          Go to the secrets
        </Link>
        <Button onClick={onMore}>Import another file</Button>
      </div>
    </div>
  );
}

function count(secrets: number): string {
  return secrets === 1 ? "1 secret" : `${secrets} secrets`;
}
