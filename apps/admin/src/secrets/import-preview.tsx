import type { ReactNode } from "react";
import { Badge, type Tone } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { Notice } from "../ui/notice.tsx";
import type { Plan } from "./import-plan.ts";
import { ImportedRow } from "./import-row.tsx";
import { writtenBy, type ImportRow, type Verdict } from "./import-rows.ts";

interface ImportPreviewProps {
  readonly plan: Plan;
  readonly busy: boolean;
  /** Compares other rows. */
  readonly onCompare: (rows: readonly ImportRow[]) => void;
  readonly onChange: (change: Partial<Pick<Plan, "rows" | "note">>) => void;
  readonly onWrite: () => void;
  readonly onBack: () => void;
}

const groups = [
  { change: "refused", title: "Refused", tone: "danger" },
  { change: "added", title: "Added", tone: "ok" },
  { change: "changed", title: "Changed", tone: "accent" },
  { change: "unchanged", title: "Unchanged", tone: "neutral" },
] as const satisfies readonly { change: Verdict["change"]; title: string; tone: Tone }[];

/** What an import would do, row by row. Values are not shown. */
export function ImportPreview(props: ImportPreviewProps): ReactNode {
  const { plan, busy, onCompare, onChange, onWrite, onBack } = props;
  const { rows, verdicts, moved, note } = plan;
  const writes = writtenBy(rows, verdicts).length;
  const left = rows.length - writes;
  const change = (changed: ImportRow): readonly ImportRow[] =>
    rows.map((row) => (row.id === changed.id ? changed : row));
  /** Of the rows of one name this one is written. */
  const prefer = ({ id, secretKey }: ImportRow): readonly ImportRow[] =>
    rows.map((row) => (row.secretKey === secretKey ? { ...row, isChosen: row.id === id } : row));
  return (
    <form
      className="grid gap-5"
      onSubmit={(event) => {
        event.preventDefault();
        if (writes > 0 && !busy) onWrite();
      }}
    >
      {moved.size > 0 && (
        <Notice kind="warn" title="Nothing was written: a secret was changed meanwhile">
          The preview is new. What someone changed is marked; look at it, and decide again.
        </Notice>
      )}
      {groups.map(({ change: kind, title, tone }) => {
        const inGroup = rows.filter(({ id }) => verdicts.get(id)?.change === kind);
        return (
          inGroup.length > 0 && (
            <section key={kind} aria-label={title} className="grid gap-2">
              <h2 className="flex items-center gap-2 text-section font-medium">
                {title} <Badge tone={tone}>{inGroup.length}</Badge>
              </h2>
              <ul className="divide-y divide-line rounded-panel border border-line bg-surface">
                {inGroup.map((row) => (
                  <li key={row.id} className="grid gap-2 px-3 py-2.5">
                    <ImportedRow
                      row={row}
                      verdict={verdicts.get(row.id)}
                      hasMoved={moved.has(row.id)}
                      busy={busy}
                      onChoose={(isChosen) => onChange({ rows: change({ ...row, isChosen }) })}
                      onRename={(secretKey) => onCompare(change({ ...row, secretKey, isChosen: true }))}
                      onPrefer={() => onCompare(prefer(row))}
                    />
                  </li>
                ))}
              </ul>
            </section>
          )
        );
      })}
      <TextField
        label="Note"
        value={note}
        onChange={(event) => onChange({ note: event.target.value })}
        maxLength={500}
        autoComplete="off"
        hint="Why, for the history of each secret. Never a value."
      />
      <div className="flex flex-wrap items-center gap-2">
        <Button kind="primary" type="submit" disabled={writes === 0} busy={busy}>
          Write {writes === 1 ? "1 secret" : `${writes} secrets`}
        </Button>
        <Button onClick={onBack} disabled={busy}>
          Back to the file
        </Button>
        <span className="text-small text-muted">
          All or none{left === 0 ? "" : `; ${left} of the file ${left === 1 ? "is" : "are"} left out`}
        </span>
      </div>
    </form>
  );
}
