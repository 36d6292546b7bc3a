import { FileUp } from "lucide-react";
import { useRef, useState, type DragEvent, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { maxFileBytes, rowsOf, type ImportRow } from "./import-rows.ts";
import { ValueField } from "../ui/value-field.tsx";

interface SourceProps {
  readonly text: string;
  readonly onText: (text: string) => void;
  readonly busy: boolean;
  readonly onPreview: (rows: readonly ImportRow[]) => void;
}

/** Where the file comes from: pasted, dropped or chosen. */
export function ImportSource({ text, onText, busy, onPreview }: SourceProps): ReactNode {
  const { rows, refusal } = rowsOf(text);
  const [unread, setUnread] = useState<string>();
  const [isOver, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const read = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    const answer = await textOf(file);
    setUnread(answer.refusal);
    if (answer.text !== undefined) onText(answer.text);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    void read(event.dataTransfer.files[0]);
  };
  const isReady = refusal === undefined && rows.length > 0;
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- a drop is one way of three
    <form
      className={`grid gap-4 rounded-panel ${isOver ? "outline-2 outline-offset-8 outline-accent outline-dashed" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady) onPreview(rows);
      }}
    >
      <ValueField
        label="Contents of a .env or JSON file"
        value={text}
        onChange={(next) => {
          setUnread(undefined);
          onText(next);
        }}
        onEnter={() => isReady && onPreview(rows)}
        error={
          unread ??
          (text === "" ? undefined : (refusal ?? (rows.length === 0 ? "It has no secret in it." : undefined)))
        }
        hint={
          isReady
            ? rows.length === 1
              ? "1 secret"
              : `${rows.length} secrets`
            : "Paste it, drop a file here, or choose one."
        }
        isMultiline
        disabled={busy}
      />
      <div className="flex flex-wrap gap-2">
        <Button kind="primary" type="submit" disabled={!isReady} busy={busy}>
          Preview
        </Button>
        <Button icon={FileUp} onClick={() => picker.current?.click()}>
          Choose a file
        </Button>
        <input
          ref={picker}
          type="file"
          aria-label="File to import"
          className="hidden"
          onChange={(event) => {
            void read(event.target.files?.[0]);
            event.target.value = "";
          }}
        />
        {text !== "" && (
          <Button kind="quiet" onClick={() => onText("")} disabled={busy}>
            Discard
          </Button>
        )}
      </div>
      <p className="text-small text-muted">
        Nothing is written before you have seen what changes. Values are never shown.
      </p>
    </form>
  );
}

/** Bytes that are no UTF-8 would become other characters without a word. */
async function textOf(file: File): Promise<{ readonly text?: string; readonly refusal?: string }> {
  if (file.size > maxFileBytes) return { refusal: "A file has at most 512 KiB." };
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()) };
  } catch {
    return { refusal: "This file is not text in UTF-8." };
  }
}
