import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../../api.ts";
import { useToldChange } from "../../frame/confirmed-change.ts";
import { Button } from "../../ui/button.tsx";
import { ConfirmDialog, Dialog } from "../../ui/dialog.tsx";
import { Select } from "../../ui/field.tsx";
import { Loaded } from "../../ui/loaded.tsx";
import { ErrorNotice } from "../../ui/notice.tsx";
import { SkeletonRows } from "../../ui/skeleton.tsx";
import { Time } from "../../ui/time.tsx";
import { Panel, PanelRow, Section } from "../section.tsx";
import { MoveButton, MoveState } from "./move-company.tsx";

/** The regions that a company is copied to, besides its home. */
export function CompanyRegions({ company }: { readonly company: string }): ReactNode {
  const trpc = useTRPC();
  const query = useQuery(trpc.companies.regions.list.queryOptions({ company }));
  const known = useQuery(trpc.regions.list.queryOptions(undefined));
  const [isAdding, setAdding] = useState(false);
  const [taken, setTaken] = useState<string>();
  const others = (known.data ?? [])
    .map(({ region }) => region)
    .filter((region) => query.data?.some((each) => each.region === region) === false);
  return (
    <Section
      title="Where it may be"
      action={
        others.length === 0 ? (
          <Link to="/platform/regions" className="text-accent hover:underline">
            All regions
          </Link>
        ) : (
          <Button onClick={() => setAdding(true)}>Copy to a region…</Button>
        )
      }
    >
      <MoveState company={company} />
      <Loaded query={query} skeleton={<SkeletonRows rows={1} />}>
        {(regions) => (
          <Panel>
            {regions.length === 0 && (
              <PanelRow title="Its home alone">No other region has anything of this company.</PanelRow>
            )}
            {regions.map(({ region, since }) => (
              <PanelRow
                key={region}
                title={region}
                action={
                  <>
                    <MoveButton company={company} to={region} />
                    <Button aria-label={`Take it from ${region}`} onClick={() => setTaken(region)}>
                      Take…
                    </Button>
                  </>
                }
              >
                Copied there since <Time at={since} as="exact" />.
              </PanelRow>
            ))}
          </Panel>
        )}
      </Loaded>
      <Dialog
        open={isAdding}
        onClose={() => setAdding(false)}
        title={`Copy ${company} to a region`}
        description="The region gets its name, its keys encrypted to that region, and the current value of each secret, encrypted as it is here."
      >
        <AddForm company={company} regions={others} onDone={() => setAdding(false)} />
      </Dialog>
      <TakeDialog company={company} region={taken} onClose={() => setTaken(undefined)} />
    </Section>
  );
}

interface AddFormProps {
  readonly company: string;
  /** Those that it can be copied to. */
  readonly regions: readonly string[];
  readonly onDone: () => void;
}

function AddForm({ company, regions, onDone }: AddFormProps): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const [region, setRegion] = useState(regions[0] ?? "");
  const add = useToldChange((to: string) => client.companies.regions.add.mutate({ company, region: to }), {
    why: "Copying a company needs a recent sign-in.",
    say: (added) => `${company} is copied to ${added.region}`,
    onDone,
    affects: [trpc.companies.regions.list.pathFilter(), trpc.regions.list.pathFilter()],
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    add.run(region);
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {add.error !== null && <ErrorNotice error={add.error} />}
      <Select
        label="Region"
        options={regions.map((each) => ({ value: each, label: each }))}
        value={region}
        onChange={({ target }) => setRegion(target.value)}
      />
      <Button kind="primary" type="submit" busy={add.isBusy}>
        Copy it there
      </Button>
    </form>
  );
}

interface TakeDialogProps {
  readonly company: string;
  /** Undefined while none is taken. */
  readonly region: string | undefined;
  readonly onClose: () => void;
}

function TakeDialog({ company, region, onClose }: TakeDialogProps): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const take = useToldChange(
    (from: string) => client.companies.regions.remove.mutate({ company, region: from }),
    {
      why: "Taking a company from a region needs a recent sign-in.",
      say: `${company} was taken from the region`,
      onDone: onClose,
      affects: [trpc.companies.regions.list.pathFilter(), trpc.regions.list.pathFilter()],
    },
  );
  const close = (): void => {
    take.reset();
    onClose();
  };
  return (
    <ConfirmDialog
      open={region !== undefined}
      onClose={close}
      title={`Take ${company} from ${region ?? ""}`}
      action="Take it"
      onConfirm={() => region !== undefined && take.run(region)}
      busy={take.isBusy}
    >
      <p>
        All copies there are deleted, and it is not read there any more. Backups of that region keep them
        until they expire.
      </p>
      {take.error !== null && <ErrorNotice error={take.error} />}
    </ConfirmDialog>
  );
}
