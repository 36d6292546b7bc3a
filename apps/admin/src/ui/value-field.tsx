import { Eye, EyeOff } from "lucide-react";
import { useImperativeHandle, useLayoutEffect, useRef, useState, type ReactNode, type Ref } from "react";
import { utf8Bytes } from "@repo/tenant-secrets/files";
import { IconButton } from "./button.tsx";
import { Field, controlLook } from "./field.tsx";

interface ValueFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** Enter saves a value of one line; Ctrl+Enter or ⌘+Enter one of several. */
  readonly onEnter?: () => void;
  /** Takes a pasted text elsewhere: true where it was taken. */
  readonly onPaste?: (text: string) => boolean;
  readonly error?: string | undefined;
  readonly hint?: ReactNode;
  readonly isMultiline?: boolean;
  /** False for what is no secret, such as the id of an OAuth client. */
  readonly isSecret?: boolean;
  readonly disabled?: boolean;
  readonly ref?: Ref<HTMLTextAreaElement>;
}

/** What keeps browsers, keyboards and password managers from filling, keeping, correcting or sending a value. */
const untouched = {
  autoComplete: "off",
  autoCapitalize: "none",
  autoCorrect: "off",
  spellCheck: false,
  translate: "no",
  "data-1p-ignore": "",
  "data-op-ignore": "",
  "data-lpignore": "true",
  "data-bwignore": "",
  "data-protonpass-ignore": "true",
  "data-form-type": "other",
} as const;

/** The one field that a value is typed or pasted into. It never holds a stored value, and has no name. */
export function ValueField({
  label,
  value,
  onChange,
  onEnter,
  onPaste,
  error,
  hint,
  isMultiline = false,
  isSecret = true,
  disabled = false,
  ref,
}: ValueFieldProps): ReactNode {
  const [isShown, setShown] = useState(false);
  const [hadReturns, setHadReturns] = useState(false);
  const isMasked = isSecret && !isShown;
  const field = useRef<HTMLTextAreaElement>(null);
  useImperativeHandle(ref, () => field.current ?? document.createElement("textarea"), []);
  // React would keep the value of a field that it controls in the markup, too, where a saved page holds it.
  useLayoutEffect(() => {
    if (field.current !== null && field.current.value !== value) field.current.value = value;
  }, [value]);
  const details = [
    ...sizeOf(value),
    ...(hadReturns && value !== "" ? ["Windows line breaks became \\n"] : []),
  ];
  return (
    <Field
      label={label}
      error={error}
      {...((hint !== undefined || details.length > 0) && {
        hint: (
          <span className="flex flex-wrap justify-between gap-x-4">
            <span>{hint}</span>
            <span className="tabular-nums">{details.join(" · ")}</span>
          </span>
        ),
      })}
    >
      {(control) => (
        <div className="relative">
          <textarea
            {...untouched}
            {...control}
            ref={field}
            defaultValue=""
            disabled={disabled}
            rows={isMultiline ? 4 : 1}
            onChange={(event) => onChange(event.target.value)}
            onPaste={(event) => {
              const text = event.clipboardData.getData("text/plain");
              if (onPaste?.(text) === true) event.preventDefault();
              else setHadReturns(text.includes("\r"));
            }}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
              if (isMultiline && !event.ctrlKey && !event.metaKey) return;
              if (onEnter === undefined) return;
              event.preventDefault();
              onEnter();
            }}
            className={`${controlLook} block max-h-64 min-h-(--control-height) resize-none field-sizing-content py-1.5 pr-10 font-mono text-code break-all ${isMasked ? "[-webkit-text-security:disc]" : ""}`}
          />
          {isSecret && (
            <span className="absolute top-0 right-0">
              <IconButton
                label={isShown ? "Hide what you typed" : "Show what you typed"}
                icon={isShown ? EyeOff : Eye}
                aria-pressed={isShown}
                onClick={() => setShown(!isShown)}
              />
            </span>
          )}
        </div>
      )}
    </Field>
  );
}

/** "32 bytes" and, where there are several, "3 lines". */
export function sizeOf(value: string): readonly string[] {
  if (value === "") return [];
  const bytes = utf8Bytes(value);
  const lines = value.replace(/\n$/, "").split("\n").length;
  return [
    bytes === 1 ? "1 byte" : `${bytes.toLocaleString("en-GB")} bytes`,
    ...(lines === 1 ? [] : [`${lines.toLocaleString("en-GB")} lines`]),
  ];
}
