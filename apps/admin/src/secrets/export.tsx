import { Download } from "lucide-react";
import { useEffect, useRef, useState, type ReactNode } from "react";
import type { ApiInputs } from "@repo/tenant-secrets/client";
import { recipientsFault } from "@repo/tenant-secrets/files";
import { useTRPCClient } from "../api.ts";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";
import { type Purpose, PurposeField } from "../frame/purpose-field.tsx";
import { Button } from "../ui/button.tsx";
import { RadioGroup } from "../ui/choices.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { download } from "../ui/download.ts";
import { Done, type Exported } from "./export-done.tsx";
import { RecipientsField, recipientsOf } from "./export-recipients.tsx";

type Format = ApiInputs["secrets"]["export"]["format"];
type Protection = "encrypted" | "clear";

interface ExportDialogProps {
  readonly company: string;
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Downloads all values as a file, encrypted or in the clear. They are on no page. For those who may export. */
export function ExportDialog({ company, open, onClose }: ExportDialogProps): ReactNode {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title="Export secrets"
      description="A file with all values. Each of them is audited."
    >
      <Export company={company} onClose={onClose} />
    </Dialog>
  );
}

function Export({ company, onClose }: Pick<ExportDialogProps, "company" | "onClose">): ReactNode {
  const client = useTRPCClient();
  const withConfirmation = useConfirmation();
  const [protection, setProtection] = useState<Protection>("encrypted");
  const [lines, setLines] = useState("");
  const [format, setFormat] = useState<Format>("env");
  const [purpose, setPurpose] = useState<Purpose>();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [exported, setExported] = useState<Exported>();
  const form = useRef<HTMLFormElement>(null);
  // Before the dialog gives the focus to its first button, which closes it.
  useEffect(() => form.current?.querySelector<HTMLElement>("[role=radio]")?.focus(), []);

  const isEncrypted = protection === "encrypted";
  const recipients = recipientsOf(lines);
  // Found here, and not at the server: a private key that was pasted is not sent.
  const fault = isEncrypted ? recipientsFault(recipients) : undefined;

  const start = async (chosen: Purpose): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const asked = { company, format, purpose: chosen, ...(isEncrypted && { recipients }) };
      const { file, ...answer } = await withConfirmation(
        () => client.secrets.export.mutate(asked),
        "Exporting needs a recent sign-in.",
      );
      download(isEncrypted ? `${company}-secrets.${format}.age` : `${company}-secrets.${format}`, file);
      setExported(answer);
    } catch (failure) {
      if (!(failure instanceof ConfirmationDeclined)) setError(failure);
    } finally {
      setBusy(false);
    }
  };

  if (exported !== undefined) return <Done company={company} exported={exported} onClose={onClose} />;
  return (
    <form
      ref={form}
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (purpose !== undefined && fault === undefined) void start(purpose);
      }}
    >
      <RadioGroup
        label="Protection"
        value={protection}
        onChange={setProtection}
        options={[
          { value: "encrypted", label: "Encrypted", hint: "To public keys of age, with a signed receipt" },
          {
            value: "clear",
            label: "In the clear",
            hint: "Anyone who has the file reads them",
          },
        ]}
      />
      {isEncrypted && (
        <RecipientsField lines={lines} onChange={setLines} fault={lines.trim() === "" ? undefined : fault} />
      )}
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
        <Button
          kind="primary"
          type="submit"
          icon={Download}
          disabled={purpose === undefined || fault !== undefined}
          busy={isBusy}
        >
          Download
        </Button>
      </div>
    </form>
  );
}
