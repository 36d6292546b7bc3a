import { useState, type ReactNode } from "react";
import { nearestKey } from "@repo/tenant-secrets/files";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { Checkbox } from "../ui/choices.tsx";
import { TextField } from "../ui/field.tsx";
import { entryOf, useCatalog } from "../frame/catalog.ts";
import type { ImportRow, Verdict } from "./import-rows.ts";
import { sizeOf } from "../ui/value-field.tsx";

interface ImportedRowProps {
  readonly row: ImportRow;
  readonly verdict: Verdict | undefined;
  readonly hasMoved: boolean;
  readonly busy: boolean;
  readonly onChoose: (isChosen: boolean) => void;
  readonly onRename: (secretKey: string) => void;
  /** Writes this one of the rows of its name. */
  readonly onPrefer: () => void;
}

/** One secret of the file, with what writing it does; a refused one with what can be corrected here. */
export function ImportedRow({
  row,
  verdict,
  hasMoved,
  busy,
  onChoose,
  onRename,
  onPrefer,
}: ImportedRowProps): ReactNode {
  const { secretKey, entry, isChosen } = row;
  const name = <span className="font-mono text-code break-all">{secretKey}</span>;
  const size = [`line ${entry.line}`, ...sizeOf(entry.text)].join(" · ");
  if (verdict?.change === "refused") {
    return (
      <>
        <div className="flex flex-wrap justify-between gap-x-4">
          {name}
          <span className="text-small text-muted tabular-nums">{size}</span>
        </div>
        <p className="text-danger">{verdict.rule}</p>
        <Correction row={row} verdict={verdict} busy={busy} onRename={onRename} onPrefer={onPrefer} />
      </>
    );
  }
  const isWritable = verdict?.change === "added" || verdict?.change === "changed";
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4">
      {isWritable ? <Checkbox label={name} checked={isChosen} onChange={onChoose} disabled={busy} /> : name}
      <span className="flex items-center gap-2 text-small text-muted tabular-nums">
        {hasMoved && <Badge tone="warn">Changed meanwhile</Badge>}
        {size}
        {verdict !== undefined && verdict.version > 0 && ` · version ${verdict.version} now`}
      </span>
    </div>
  );
}

function Correction({
  row,
  verdict,
  busy,
  onRename,
  onPrefer,
}: Pick<ImportedRowProps, "row" | "busy" | "onRename" | "onPrefer"> & {
  readonly verdict: Extract<Verdict, { change: "refused" }>;
}): ReactNode {
  const catalog = useCatalog();
  const [name, setName] = useState(row.secretKey);
  const isKnown = entryOf(catalog, row.secretKey) !== undefined;
  const nearest = nearestKey(
    row.secretKey,
    catalog.secrets.map(({ secretKey }) => secretKey),
  );
  const offered = nearest ?? `CUSTOM_${row.secretKey.replace(/\W/g, "_")}`;
  if (verdict.isRepeated) {
    return (
      <div>
        <Button onClick={onPrefer} disabled={busy}>
          Use line {row.entry.line} instead
        </Button>
      </div>
    );
  }
  if (isKnown) return <p className="text-small text-muted">Correct it in the file, or leave it out.</p>;
  return (
    <div className="flex flex-wrap items-end gap-2">
      {entryOf(catalog, offered) !== undefined && (
        <Button onClick={() => onRename(offered)} disabled={busy}>
          Use {offered}
        </Button>
      )}
      <div className="min-w-56 flex-1">
        <TextField
          label="Other secret key"
          value={name}
          onChange={(event) => setName(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            if (name !== row.secretKey) onRename(name);
          }}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
      </div>
      <Button onClick={() => onRename(name)} disabled={busy || name === row.secretKey || name === ""}>
        Use it
      </Button>
    </div>
  );
}
