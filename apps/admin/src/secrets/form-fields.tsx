import type { ReactNode, Ref } from "react";
import { Button } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";
import type { Draft, DraftContent } from "./drafts.ts";
import type { EntryDescription } from "../frame/catalog.ts";
import { partsOf, partsOfText } from "../frame/value-form.ts";
import { ValueField } from "../ui/value-field.tsx";

interface FieldsProps {
  readonly entry: EntryDescription;
  readonly draft: DraftContent;
  readonly onEdit: (change: Partial<Draft>) => void;
  readonly onEnter: () => void;
  /** By field, as the end of "A value …". */
  readonly mistakes: Readonly<Record<string, string>>;
  /** Whether empty fields are called that, too. */
  readonly isTried: boolean;
  readonly isNew: boolean;
  readonly disabled: boolean;
  /** Whether the store keeps white space at the ends of values. */
  readonly keepsEnds: boolean;
  readonly ref: Ref<HTMLTextAreaElement>;
}

/** The fields of a value. A pasted JSON object fills all of them. */
export function FormFields({
  entry,
  draft,
  onEdit,
  onEnter,
  mistakes,
  isTried,
  isNew,
  disabled,
  keepsEnds,
  ref,
}: FieldsProps): ReactNode {
  const fields = partsOf(entry);
  const paste = (text: string): boolean => {
    const parts = partsOfText(entry, text);
    if (parts === undefined) return false;
    onEdit({ parts: { ...draft.parts, ...parts } });
    return true;
  };
  return (
    <div className="grid gap-3">
      {fields.map(({ name, label, isSecret, isMultiline }, i) => {
        const text = draft.parts[name] ?? "";
        const rule = text !== "" || isTried ? mistakes[name] : undefined;
        const own = name === "" ? (isNew ? "Value" : "New value") : label;
        return (
          <ValueField
            key={name}
            {...(i === 0 && { ref })}
            label={own}
            value={text}
            onChange={(typed) => onEdit({ parts: { ...draft.parts, [name]: typed } })}
            onEnter={onEnter}
            onPaste={paste}
            error={rule === undefined ? undefined : `${name === "" ? "A value" : label} ${rule}.`}
            isMultiline={isMultiline}
            isSecret={isSecret}
            disabled={disabled}
          />
        );
      })}
      {fields.length > 1 && mistakes[""] !== undefined && (
        <p className="text-small text-danger">A value {mistakes[""]}.</p>
      )}
      {endsWithLineBreak(draft) && (
        <LineBreak draft={draft} onEdit={onEdit} canStay={keepsEnds && mistakes[""] === undefined} />
      )}
    </div>
  );
}

/** Whether a person has to say what becomes of the end of the value. */
export function endsWithLineBreak({ parts }: DraftContent): boolean {
  return parts[""]?.endsWith("\n") === true;
}

function LineBreak({
  draft: { parts, keepsLineBreak = false },
  onEdit,
  canStay,
}: Pick<FieldsProps, "draft" | "onEdit"> & { readonly canStay: boolean }): ReactNode {
  const remove = (): void => onEdit({ parts: { ...parts, "": (parts[""] ?? "").replace(/\n+$/, "") } });
  return (
    <Notice
      kind="warn"
      title={
        canStay
          ? "The value ends with a line break: keep it or remove it?"
          : "The value ends with a line break, which does not belong to it"
      }
    >
      {canStay && <p>Most providers give values without one.</p>}
      <div className="mt-1 flex flex-wrap gap-2">
        <Button onClick={remove}>Remove it</Button>
        {canStay && (
          <Button aria-pressed={keepsLineBreak} onClick={() => onEdit({ keepsLineBreak: true })}>
            {keepsLineBreak ? "Kept" : "Keep it"}
          </Button>
        )}
      </div>
    </Notice>
  );
}
