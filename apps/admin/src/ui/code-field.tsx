import type { ReactNode } from "react";
import { Field } from "./field.tsx";

const digits = 6;

interface CodeFieldProps {
  readonly label: string;
  readonly hint?: ReactNode;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** Called with the code at its last digit, typed or pasted. */
  readonly onComplete: (code: string) => void;
}

/**
 * The six digits of an authenticator app. One input under six boxes: it is read aloud as one, browsers and password managers
 * fill it, and a paste with spaces works.
 */
export function CodeField({ label, hint, value, onChange, onComplete }: CodeFieldProps): ReactNode {
  const change = (text: string): void => {
    const code = text.replaceAll(/\D/g, "").slice(0, digits);
    onChange(code);
    if (code.length === digits && value.length < digits) onComplete(code);
  };
  return (
    <Field label={label} hint={hint}>
      {(control) => (
        <div className="group relative">
          <div aria-hidden className="grid grid-cols-6 gap-2">
            {Array.from({ length: digits }, (_, i) => (
              <span
                key={i}
                className={`grid h-12 place-items-center rounded-control border bg-surface font-mono text-section ${
                  i === Math.min(value.length, digits - 1)
                    ? "border-control outline-offset-1 outline-(--focus) group-focus-within:outline-2"
                    : "border-control"
                }`}
              >
                {value[i]}
              </span>
            ))}
          </div>
          <input
            {...control}
            ref={focusAtOnce}
            className="absolute inset-0 w-full cursor-text opacity-0"
            value={value}
            onChange={(event) => change(event.target.value)}
            inputMode="numeric"
            autoComplete="one-time-code"
            required
          />
        </div>
      )}
    </Field>
  );
}

function focusAtOnce(input: HTMLInputElement | null): void {
  input?.focus();
}
