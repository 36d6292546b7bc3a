import { Download } from "lucide-react";
import { useEffect, useRef, useState, type ReactNode } from "react";
import type { ApiInputs } from "@repo/tenant-secrets/client";
import { useTRPCClient } from "../api.ts";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";
import { type Purpose, PurposeField } from "../frame/purpose-field.tsx";
import { Button } from "../ui/button.tsx";
import { RadioGroup } from "../ui/choices.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { download } from "../ui/download.ts";

type Format = ApiInputs["secrets"]["export"]["format"];

interface Exported {
  readonly secretKeys: readonly string[];
  readonly leftOut: readonly { readonly secretKey: string; readonly reason: keyof typeof reasons }[];
}

const reasons = {
  "write-only": "is never shown to a person",
  "not-in-catalogue": "is not in the catalogue",
  unusable: "has a value that no file can hold",
} as const;

interface ExportDialogProps {
  readonly company: string;
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Downloads all values as a file. They are on no page. For those who may export. */
export function ExportDialog({ company, open, onClose }: ExportDialogProps): ReactNode {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title="Export secrets"
      description="A file with all values in the clear. Each of them is audited."
    >
      <Export company={company} onClose={onClose} />
    </Dialog>
  );
}

function Export({ company, onClose }: Pick<ExportDialogProps, "company" | "onClose">): ReactNode {
  const client = useTRPCClient();
  const withConfirmation = useConfirmation();
  const [format, setFormat] = useState<Format>("env");
  const [purpose, setPurpose] = useState<Purpose>();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [exported, setExported] = useState<Exported>();
  const form = useRef<HTMLFormElement>(null);
  // Before the dialog gives the focus to its first button, which closes it.
  useEffect(() => form.current?.querySelector<HTMLElement>("[role=radio]")?.focus(), []);

  const start = async (chosen: Purpose): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const { file, ...answer } = await withConfirmation(
        () => client.secrets.export.mutate({ company, format, purpose: chosen }),
        "Exporting needs a recent sign-in.",
      );
      download(`${company}-secrets.${format}`, file);
      setExported(answer);
    } catch (failure) {
      if (!(failure instanceof ConfirmationDeclined)) setError(failure);
    } finally {
      setBusy(false);
    }
  };

  if (exported !== undefined) return <Done exported={exported} onClose={onClose} />;
  return (
    <form
      ref={form}
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (purpose !== undefined) void start(purpose);
      }}
    >
      <RadioGroup
        label="Format"
        value={format}
        onChange={setFormat}
        options={[
          { value: "env", label: ".env", hint: "NAME=value, a line each" },
          { value: "json", label: "JSON", hint: "An object of names and values" },
        ]}
      />
      <PurposeField purpose={purpose} onChoose={setPurpose} />
      {error !== undefined && <ErrorNotice error={error} />}
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" type="submit" icon={Download} disabled={purpose === undefined} busy={isBusy}>
          Download
        </Button>
      </div>
    </form>
  );
}

function Done({
  exported,
  onClose,
}: {
  readonly exported: Exported;
  readonly onClose: () => void;
}): ReactNode {
  const { secretKeys, leftOut } = exported;
  return (
    <div className="grid gap-4">
      <Notice
        kind="ok"
        title={`${secretKeys.length === 1 ? "1 secret is" : `${secretKeys.length} secrets are`} in the file`}
      >
        Delete it when it has served its purpose: it is not encrypted.
      </Notice>
      {leftOut.length > 0 && (
        <section aria-label="Left out" className="grid gap-1">
          <h2 className="font-medium">Left out</h2>
          <ul className="grid gap-1">
            {leftOut.map(({ secretKey, reason }) => (
              <li key={secretKey}>
                <span className="font-mono text-code break-all">{secretKey}</span>{" "}
                <span className="text-muted">{reasons[reason]}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <div className="flex justify-end">
        <Button kind="primary" onClick={onClose}>
          Close
        </Button>
      </div>
    </div>
  );
}
