import { useState, type ReactNode } from "react";
import { Button } from "./button.tsx";
import { controlLook, Field } from "./field.tsx";

interface NewPasswordFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly error?: string | undefined;
}

/** A password that is chosen now. It can be looked at, so that it need not be typed twice. */
export function NewPasswordField({ label, value, onChange, error }: NewPasswordFieldProps): ReactNode {
  const [isShown, setShown] = useState(false);
  return (
    <Field
      label={label}
      error={error}
      hint="12 to 256 characters, all are allowed. Four random words are a good one."
    >
      {(control) => (
        <div className="flex gap-2">
          <input
            {...control}
            className={`${controlLook} h-(--control-height) min-w-0 flex-1`}
            type={isShown ? "text" : "password"}
            autoComplete="new-password"
            autoCapitalize="none"
            spellCheck={false}
            minLength={12}
            maxLength={256}
            value={value}
            onChange={(event) => onChange(event.target.value)}
            required
          />
          <Button aria-pressed={isShown} onClick={() => setShown(!isShown)}>
            {isShown ? "Hide" : "Show"}
          </Button>
        </div>
      )}
    </Field>
  );
}
