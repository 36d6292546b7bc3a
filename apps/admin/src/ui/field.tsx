import { useId, type InputHTMLAttributes, type ReactNode, type Ref, type SelectHTMLAttributes } from "react";

interface FieldProps {
  readonly label: string;
  /** What to enter, before it is wrong. */
  readonly hint?: ReactNode;
  /** What is wrong with it. */
  readonly error?: string | undefined;
}

/** What a control takes, so that its label, hint and error belong to it. */
export interface ControlProps {
  readonly id: string;
  readonly "aria-describedby": string | undefined;
  readonly "aria-invalid": boolean;
}

/** The looks of a text input; of a textarea with a height of its own. */
export const controlLook =
  "w-full rounded-control border border-control bg-surface px-2.5 text-body text-ink transition-colors hover:border-ink disabled:opacity-55 aria-invalid:border-danger";

/** A label above a control, and its hint and error below. */
export function Field({
  label,
  hint,
  error,
  children,
}: FieldProps & { readonly children: (control: ControlProps) => ReactNode }): ReactNode {
  const id = useId();
  const described = [
    ...(error === undefined ? [] : [`${id}-error`]),
    ...(hint === undefined ? [] : [`${id}-hint`]),
  ];
  return (
    <div className="grid gap-1">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {children({
        id,
        "aria-describedby": described.length === 0 ? undefined : described.join(" "),
        "aria-invalid": error !== undefined,
      })}
      {error !== undefined && (
        <p id={`${id}-error`} className="text-small text-danger">
          {error}
        </p>
      )}
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-small text-muted">
          {hint}
        </p>
      )}
    </div>
  );
}

/** One line of text. Never for a secret's value: that is ValueField. */
export function TextField({
  label,
  hint,
  error,
  ...input
}: FieldProps &
  Omit<InputHTMLAttributes<HTMLInputElement>, "id" | "className"> & {
    readonly ref?: Ref<HTMLInputElement>;
  }): ReactNode {
  return (
    <Field label={label} hint={hint} error={error}>
      {(control) => <input {...input} {...control} className={`${controlLook} h-(--control-height)`} />}
    </Field>
  );
}

/** The browser's own list: it works on every device, and needs no style of its own. */
export function Select({
  label,
  hint,
  error,
  options,
  ...select
}: FieldProps &
  Omit<SelectHTMLAttributes<HTMLSelectElement>, "id" | "className" | "children"> & {
    readonly options: readonly { readonly value: string; readonly label: string }[];
  }): ReactNode {
  return (
    <Field label={label} hint={hint} error={error}>
      {(control) => (
        <select {...select} {...control} className={`${controlLook} h-(--control-height)`}>
          {options.map(({ value, label: text }) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
