import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { Button, buttonLook } from "../ui/button.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Notice } from "../ui/notice.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { entryOf, type CatalogDescription } from "../frame/catalog.ts";
import type { Capabilities, SecretList } from "./form-catalog.ts";
import { History } from "./history.tsx";
import { SecretNow } from "./panel-now.tsx";
import type { PanelPart } from "./panel-part.tsx";
import { PendingVersion } from "./stage.tsx";

interface SecretProps {
  readonly company: string;
  readonly secretKey: string;
  readonly part: PanelPart | undefined;
  readonly onRemoved: () => void;
}

/** What there is of a secret. */
export function Secret({ company, secretKey, part, onRemoved }: SecretProps): ReactNode {
  const trpc = useTRPC();
  const list = useQuery(trpc.secrets.list.queryOptions({ company }));
  const catalog = useQuery(trpc.catalog.describe.queryOptions());
  return (
    <Loaded query={list}>
      {(data) => (
        <Loaded query={catalog}>
          {(described) => (
            <Found secretKey={secretKey} list={data} catalog={described} part={part} onRemoved={onRemoved} />
          )}
        </Loaded>
      )}
    </Loaded>
  );
}

interface FoundProps {
  readonly secretKey: string;
  readonly list: SecretList;
  readonly catalog: CatalogDescription;
  readonly part: PanelPart | undefined;
  readonly onRemoved: () => void;
}

function Found({ secretKey, list, catalog, part, onRemoved }: FoundProps): ReactNode {
  const { subdomain: company, can } = useCompany();
  const [tab, setTab] = useState<"now" | "history">(part === "history" ? "history" : "now");
  const secret = list.secrets.find((each) => each.secretKey === secretKey);
  const entry = entryOf(catalog, secretKey);
  const { capabilities } = list;
  if (secret === undefined) {
    return (
      <Absent
        secretKey={secretKey}
        canAdd={can("write") && entry !== undefined}
        capabilities={capabilities}
      />
    );
  }
  return (
    <Tabs
      label={secretKey}
      value={tab}
      onChange={setTab}
      tabs={[
        {
          value: "now",
          label: "Now",
          content: <SecretNow list={list} secret={secret} entry={entry} part={part} onRemoved={onRemoved} />,
        },
        {
          value: "history",
          label: "History",
          content: capabilities.history ? (
            <div className="grid gap-4">
              <PendingVersion company={company} secret={secret} canWrite={can("write")} />
              <History
                company={company}
                secretKey={secretKey}
                secret={secret}
                canRollBack={can("write") && capabilities.rollback}
              />
            </div>
          ) : (
            <Notice title="Not in Infisical">
              The secrets of {company} are kept in Infisical. From there no earlier versions are listed or
              made current again, no value waits to be promoted, and what is removed cannot be restored.
            </Notice>
          ),
        },
      ]}
    />
  );
}

interface AbsentProps {
  readonly secretKey: string;
  readonly canAdd: boolean;
  readonly capabilities: Capabilities;
}

function Absent({ secretKey, canAdd, capabilities }: AbsentProps): ReactNode {
  const { subdomain: company } = useCompany();
  const [hasHistory, setHistory] = useState(false);
  return (
    <div className="grid gap-4">
      <Notice title="There is no value">
        {company} has no secret of this name: it was not added yet, or it was removed.
      </Notice>
      <div className="flex flex-wrap gap-2">
        {canAdd && (
          <Link
            to="/c/$company/secrets/new/$secretKey"
            params={{ company, secretKey }}
            className={buttonLook()}
          >
            Add
          </Link>
        )}
        {capabilities.recovery && (
          <Link to="/c/$company/secrets/removed" params={{ company }} className={buttonLook()}>
            Removed secrets
          </Link>
        )}
        {capabilities.history && !hasHistory && (
          <Button onClick={() => setHistory(true)}>Show history</Button>
        )}
      </div>
      {hasHistory && (
        <History company={company} secretKey={secretKey} secret={undefined} canRollBack={false} />
      )}
    </div>
  );
}
