import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTRPC } from "../../api.ts";
import { buttonLook } from "../../ui/button.tsx";
import { Loaded } from "../../ui/loaded.tsx";
import { SkeletonRows } from "../../ui/skeleton.tsx";
import { Time } from "../../ui/time.tsx";
import { Facts, Section } from "../section.tsx";
import { storeWords } from "../words.ts";
import { Mirror } from "./mirror.tsx";
import { LeftBehind, StoreNow } from "./store-columns.tsx";
import { stageOf, verbWords, type CompanyStore, type MigrationVerb, type StoreName } from "./words.ts";

/** What is usual next, from each store; everything else is in the form. */
const usual: Readonly<Record<StoreName, readonly MigrationVerb[]>> = {
  infisical: ["plan", "copy", "verify", "switch"],
  hybrid: ["verify", "switch", "rollback"],
  database: ["verify", "rollback", "cleanup"],
};

/** Where the secrets of one company are, and the migrations that can be begun with it. */
export function CompanyStoreSection({ company }: { readonly company: string }): ReactNode {
  const trpc = useTRPC();
  const query = useQuery(
    trpc.migrations.status.queryOptions({ company }, { refetchOnMount: "always", retry: false }),
  );
  return (
    <Section
      title="Where its secrets are"
      action={
        <Link to="/platform/migrations" className="text-accent hover:underline">
          All migrations
        </Link>
      }
    >
      <Loaded query={query} skeleton={<SkeletonRows rows={2} />}>
        {({ companies }) =>
          companies.map((store) => (
            <div key={store.company.id} className="grid gap-3">
              <Facts facts={factsOf(store)} />
              <div role="group" aria-label="Begin a migration" className="flex flex-wrap gap-2">
                {usual[store.store].map((verb) => (
                  <Link
                    key={verb}
                    to="/platform/migrations"
                    search={{ company, verb }}
                    className={buttonLook()}
                  >
                    {verbWords[verb].name}…
                  </Link>
                ))}
              </div>
              {(mayMirror(store) || store.isMirrored) && <Mirror store={store} />}
            </div>
          ))
        }
      </Loaded>
    </Section>
  );
}

/** A mirror needs the folder, beside a store that is not the folder. */
function mayMirror({ store, leftIn, cleanedAt }: CompanyStore): boolean {
  return cleanedAt === undefined && (store === "hybrid" || (store === "database" && leftIn === "infisical"));
}

function factsOf(company: CompanyStore) {
  const { store, storeEpoch, inDatabase, synced, verifiedAt } = company;
  return [
    { label: "Store", value: storeWords[store] },
    { label: "Epoch", value: storeEpoch },
    {
      label: "Stage",
      value: (
        <span className="inline-flex flex-wrap gap-1.5">
          {stageOf(company)}
          <StoreNow store={company} />
        </span>
      ),
    },
    {
      label: "Proven equal",
      value: inDatabase === 0 ? "Nothing in the database" : `${synced} of ${inDatabase}`,
    },
    { label: "Verified", value: verifiedAt === undefined ? "Not on this store" : <Time at={verifiedAt} /> },
    { label: "Left behind", value: <LeftBehind store={company} /> },
  ];
}
