import type { ReactNode } from "react";
import { ValueField } from "../ui/value-field.tsx";

interface RecipientsFieldProps {
  readonly lines: string;
  readonly onChange: (lines: string) => void;
  readonly fault: string | undefined;
}

/** The public keys that a file is encrypted to. A field for values, since a private key may be pasted into it. */
export function RecipientsField({ lines, onChange, fault }: RecipientsFieldProps): ReactNode {
  return (
    <ValueField
      label="Recipients"
      value={lines}
      onChange={onChange}
      error={fault}
      hint="Public keys of age, a line each: age-keygen prints one. Check with its owner that it is theirs."
      isMultiline
      isSecret={false}
    />
  );
}

export function recipientsOf(lines: string): readonly string[] {
  return lines
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
