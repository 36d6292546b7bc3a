import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../../api.ts";
import { useToldChange } from "../../frame/confirmed-change.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { ErrorNotice } from "../../ui/notice.tsx";
import { ValueField } from "../../ui/value-field.tsx";
import { readIdentity, type Identity } from "./read-identity.ts";

interface AddRegionProps {
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Makes another region known here, by its identity and its fingerprint. */
export function AddRegion({ open, onClose }: AddRegionProps): ReactNode {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title="Add a region"
      description="An operator of the other region copies its identity on this page there, and tells its fingerprint by another way."
    >
      <AddForm onDone={onClose} />
    </Dialog>
  );
}

const words = {
  added: "was added",
  changed: "has its new address and keys",
  unchanged: "was known already",
} as const;

function AddForm({ onDone }: { readonly onDone: () => void }): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const [text, setText] = useState("");
  const [fingerprint, setFingerprint] = useState("");
  const [isMalformed, setMalformed] = useState(false);
  const add = useToldChange((identity: Identity) => client.regions.add.mutate({ ...identity, fingerprint }), {
    why: "Adding a region needs a recent sign-in.",
    say: ({ region, outcome }) => `${region.region} ${words[outcome]}`,
    onDone,
    affects: [trpc.regions.list.pathFilter()],
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const identity = readIdentity(text);
    setMalformed(identity === undefined);
    if (identity !== undefined) add.run(identity);
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {add.error !== null && <ErrorNotice error={add.error} />}
      <ValueField
        label="Identity"
        isMultiline
        isSecret={false}
        error={isMalformed ? "This is not the identity of a region." : undefined}
        value={text}
        onChange={(identity) => {
          setText(identity);
          setMalformed(false);
        }}
      />
      <TextField
        label="Fingerprint"
        hint="64 digits, as the other operator told them"
        value={fingerprint}
        onChange={({ target }) => setFingerprint(target.value)}
        required
        maxLength={100}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
      />
      <Button kind="primary" type="submit" busy={add.isBusy}>
        Add the region
      </Button>
    </form>
  );
}
