import { Download } from "lucide-react";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { download } from "../ui/download.ts";
import { Select, TextField } from "../ui/field.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { useSecondsUntil } from "../ui/time.tsx";
import { Command } from "../ui/command.tsx";
import { collectExport, type ExportProgress } from "./export-file.ts";
import { dayAfter, dayOf, startOfDay, type Span } from "./span.ts";

interface ExportDialogProps {
  /** Undefined: one of `companies` is chosen. */
  readonly company: string | undefined;
  readonly companies?: readonly string[];
  /** The time that the page shows, to begin with. */
  readonly span: Span;
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Downloads the events of some days, each with the proof that it is as it was sealed. */
export function ExportDialog({ open, onClose, ...rest }: ExportDialogProps): ReactNode {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title="Export the audit log"
      description="All events of the days that you choose, whatever the filters, each with its proof. The file holds no value."
    >
      <Export {...rest} onClose={onClose} />
    </Dialog>
  );
}

function Export({
  company: given,
  companies = [],
  span,
  onClose,
}: Omit<ExportDialogProps, "open">): ReactNode {
  const client = useTRPCClient();
  const [chosen, setChosen] = useState(companies[0] ?? "");
  const company = given ?? chosen;
  const [first, setFirst] = useState(dayOf(span.from));
  const [last, setLast] = useState(dayOf(new Date(span.to.getTime() - 1)));
  const [progress, setProgress] = useState<ExportProgress>();
  const [error, setError] = useState<unknown>();
  const [file, setFile] = useState<string>();
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const from = startOfDay(first);
  const to = dayAfter(last);
  const isBackwards = from !== undefined && to !== undefined && from >= to;

  const start = async (range: { readonly from: Date; readonly to: Date }): Promise<void> => {
    const controller = new AbortController();
    running.current = controller;
    const { signal } = controller;
    setError(undefined);
    setProgress({ events: 0, unsealed: 0 });
    try {
      const text = await collectExport(client, { company, ...range }, { signal, onProgress: setProgress });
      const name = `audit-log-${company}-${first}-to-${last}.jsonl`;
      download(name, text);
      setFile(name);
    } catch (failure) {
      if (signal.aborted) return;
      setError(failure);
      setProgress(undefined);
    }
  };

  if (file !== undefined && progress !== undefined) {
    return <Done file={file} progress={progress} onClose={onClose} />;
  }
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (from !== undefined && to !== undefined && !isBackwards) void start({ from, to });
      }}
    >
      {given === undefined && (
        <Select
          label="Company"
          hint="An export is of one company."
          options={companies.map((each) => ({ value: each, label: each }))}
          value={company}
          onChange={({ target }) => setChosen(target.value)}
        />
      )}
      <div className="grid grid-cols-2 gap-3 max-tablet:grid-cols-1">
        <TextField
          label="First day"
          type="date"
          required
          value={first}
          onChange={(event) => setFirst(event.target.value)}
        />
        <TextField
          label="Last day"
          type="date"
          required
          value={last}
          error={isBackwards ? "It is before the first day." : undefined}
          onChange={(event) => setLast(event.target.value)}
        />
      </div>
      {error !== undefined && <ErrorNotice error={error} />}
      {progress !== undefined && <Progress {...progress} />}
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          kind="primary"
          type="submit"
          icon={Download}
          disabled={from === undefined || to === undefined || isBackwards || company === ""}
          busy={progress !== undefined}
        >
          Download
        </Button>
      </div>
    </form>
  );
}

function Progress({ events, waitsUntil = 0 }: ExportProgress): ReactNode {
  const seconds = useSecondsUntil(waitsUntil);
  return (
    <p role="status" className="text-muted tabular-nums">
      {wordsOf(events)} so far.
      {waitsUntil > 0 && ` It goes on by itself in ${seconds} s: a minute takes no more calls.`}
    </p>
  );
}

function Done({
  file,
  progress: { events, unsealed },
  onClose,
}: {
  readonly file: string;
  readonly progress: ExportProgress;
  readonly onClose: () => void;
}): ReactNode {
  return (
    <div className="grid gap-4">
      <Notice kind="ok" title={`${events === 1 ? "1 event is" : `${wordsOf(events)} are`} in the file`}>
        {unsealed > 0 &&
          `${wordsOf(unsealed)} of the last seconds ${unsealed === 1 ? "is" : "are"} not sealed yet and left out.`}
      </Notice>
      <div className="grid gap-2">
        <p>Anyone with the file and the public keys can verify it, without a credential:</p>
        <Command text={`pnpm secrets audit verify-export ${file} --public-key audit-keys.pem`} />
        <p className="text-muted">
          Operators publish the keys:{" "}
          <code className="font-mono text-code">pnpm secrets audit public-key</code>
        </p>
      </div>
      <div className="flex justify-end">
        <Button kind="primary" onClick={onClose}>
          Close
        </Button>
      </div>
    </div>
  );
}

function wordsOf(events: number): string {
  return events === 1 ? "1 event" : `${new Intl.NumberFormat("en-GB").format(events)} events`;
}
