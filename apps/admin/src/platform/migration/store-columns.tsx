import { Link } from "@tanstack/react-router";
import { createContext, use, type ReactNode } from "react";
import { Badge } from "../../ui/badge.tsx";
import { Checkbox } from "../../ui/choices.tsx";
import { aboveRowLink, rowLinkLook, type Column } from "../../ui/data-table-columns.ts";
import { Time } from "../../ui/time.tsx";
import { countOf, storeWords } from "../words.ts";
import { stageOf, type CompanyStore } from "./words.ts";

interface Choice {
  readonly chosen: ReadonlySet<string>;
  readonly onChoose: (chosen: ReadonlySet<string>) => void;
}

/** Which rows are chosen: a context, as a row is painted once and its checkbox changes. */
export const Choosing = createContext<Choice>({ chosen: new Set(), onChoose: () => {} });

export const storeColumns: readonly Column<CompanyStore>[] = [
  {
    id: "choose",
    header: "Choose",
    cell: ({ company: { subdomain } }) => <Choose subdomain={subdomain} />,
    onPhone: "corner",
  },
  {
    id: "company",
    header: "Company",
    cell: ({ company: { subdomain } }) => (
      <Link
        to="/platform/companies/$subdomain"
        params={{ subdomain }}
        className={`font-medium break-all ${rowLinkLook}`}
      >
        {subdomain}
      </Link>
    ),
    onPhone: "heading",
  },
  {
    id: "store",
    header: "Secrets live in",
    cell: ({ store }) => <span className="whitespace-nowrap">{storeWords[store]}</span>,
  },
  {
    id: "stage",
    header: "Stage",
    cell: (store) => (
      <span className="inline-flex flex-wrap items-center gap-1.5">
        {stageOf(store)}
        <StoreNow store={store} />
      </span>
    ),
  },
  {
    id: "equal",
    header: "Proven equal",
    align: "end",
    cell: ({ synced, inDatabase }) =>
      inDatabase === 0 ? (
        <Nothing />
      ) : (
        <span className="whitespace-nowrap">{provenWords(synced, inDatabase)}</span>
      ),
  },
  {
    id: "verified",
    header: "Verified",
    align: "end",
    cell: ({ verifiedAt }) => (verifiedAt === undefined ? <Nothing /> : <Time at={verifiedAt} />),
  },
  { id: "left", header: "Left behind", cell: (store) => <LeftBehind store={store} /> },
];

function Nothing(): ReactNode {
  return <span className="text-muted">–</span>;
}

function provenWords(synced: number, inDatabase: number): string {
  return `${synced.toLocaleString("en-GB")} of ${inDatabase.toLocaleString("en-GB")}`;
}

function Choose({ subdomain }: { readonly subdomain: string }): ReactNode {
  const { chosen, onChoose } = use(Choosing);
  const change = (on: boolean): void => {
    const others = [...chosen].filter((each) => each !== subdomain);
    onChoose(new Set(on ? [...others, subdomain] : others));
  };
  return (
    <div className={aboveRowLink}>
      <Checkbox
        label={<span className="sr-only">Choose {subdomain}</span>}
        checked={chosen.has(subdomain)}
        onChange={change}
      />
    </div>
  );
}

/** What goes on with a company's store at this moment. */
export function StoreNow({
  store: { isHeld, unsettledWrites, isMirrored, mirror },
}: {
  readonly store: CompanyStore;
}): ReactNode {
  const behind = mirror?.behind ?? 0;
  return (
    <>
      {isHeld && <Badge tone="warn">writes wait</Badge>}
      {unsettledWrites > 0 && <Badge tone="warn">{countOf(unsettledWrites, "write")} unsettled</Badge>}
      {isMirrored && behind === 0 && <Badge tone="ok">mirrored</Badge>}
      {isMirrored && behind > 0 && <Badge tone="warn">mirror {behind.toLocaleString("en-GB")} behind</Badge>}
    </>
  );
}

/** Where the copy of before the last change of the store is, and since when. */
export function LeftBehind({
  store: { leftIn, changedAt, cleanedAt },
}: {
  readonly store: CompanyStore;
}): ReactNode {
  if (leftIn === undefined) return <Nothing />;
  const place = leftIn === "infisical" ? "Folder" : "Copy in the database";
  if (cleanedAt !== undefined) {
    return (
      <span className="text-muted">
        {place} removed <Time at={cleanedAt} />
      </span>
    );
  }
  return (
    <>
      {place}
      {changedAt !== undefined && (
        <>
          , <Time at={changedAt} />
        </>
      )}
    </>
  );
}
