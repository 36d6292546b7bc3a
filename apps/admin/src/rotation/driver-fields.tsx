import type { ReactNode } from "react";
import { wordsOfDriver, type RotationDriver } from "../frame/rotation-words.ts";
import { Select, TextField } from "../ui/field.tsx";
import { ValueField } from "../ui/value-field.tsx";
import type { PolicyDraft, Wrong } from "./policy-draft.ts";
import { settingsDraftOf, settingsPartsOf, type SettingsPart } from "./settings.ts";

interface DriverFieldsProps {
  readonly draft: PolicyDraft;
  readonly onChange: (draft: PolicyDraft) => void;
  readonly wrong: Wrong;
  readonly drivers: readonly RotationDriver[];
  /** The secrets of the company. */
  readonly secretKeys: readonly string[];
}

/** What makes the next credential, with its settings and with whose rights. */
export function DriverFields({ draft, onChange, wrong, drivers, secretKeys }: DriverFieldsProps): ReactNode {
  const driver = drivers.find(({ name }) => name === draft.driver);
  const choose = (name: string): void => {
    const chosen = drivers.find((each) => each.name === name);
    onChange({ ...draft, driver: name, settings: settingsDraftOf(chosen, undefined), manager: "" });
  };
  const takesManager = driver?.manager === "required" || driver?.manager === "optional";
  return (
    <>
      <Select
        label="What makes the next credential"
        value={draft.driver}
        onChange={(event) => choose(event.target.value)}
        options={[
          ...(driver === undefined ? [{ value: draft.driver, label: "Choose…" }] : []),
          ...inOrder(drivers, draft.secretKey).map(({ name, secretKeys: named }) => ({
            value: name,
            label: `${wordsOfDriver(name)}${named.includes(draft.secretKey) ? " (the catalogue's for this secret)" : ""}`,
          })),
        ]}
        error={wrong.driver}
        hint={driver?.person === true ? "A person is asked each time, and shown the steps." : undefined}
      />
      {settingsPartsOf(driver).map((part) => (
        <SettingField
          key={`${draft.driver}/${part.name}`}
          part={part}
          text={draft.settings[part.name] ?? ""}
          onChange={(text) => onChange({ ...draft, settings: { ...draft.settings, [part.name]: text } })}
          error={wrong.settings?.[part.name]}
        />
      ))}
      {takesManager && (
        <Select
          label="With the rights of"
          hint="The secret of this company that the provider is asked with."
          value={draft.manager}
          onChange={(event) => onChange({ ...draft, manager: event.target.value })}
          options={[
            {
              value: "",
              label: driver.manager === "optional" ? "The value that is rotated" : "Choose a secret…",
            },
            ...secretKeys
              .filter((secretKey) => secretKey !== draft.secretKey)
              .map((secretKey) => ({ value: secretKey, label: secretKey })),
          ]}
          error={wrong.manager}
        />
      )}
    </>
  );
}

/** First those that the catalogue names for the secret, then those that it names for none. */
export function inOrder(drivers: readonly RotationDriver[], secretKey: string): readonly RotationDriver[] {
  const place = ({ secretKeys }: RotationDriver): number =>
    secretKeys.includes(secretKey) ? 0 : secretKeys.length === 0 ? 1 : 2;
  return drivers.toSorted((one, other) => place(one) - place(other));
}

interface SettingFieldProps {
  readonly part: SettingsPart;
  readonly text: string;
  readonly onChange: (text: string) => void;
  readonly error: string | undefined;
}

function SettingField({ part, text, onChange, error }: SettingFieldProps): ReactNode {
  const { name, kind, options, isRequired, fallback } = part;
  const label = wordsOfSetting(name);
  const unset = fallback === undefined ? "As the catalogue says" : `As the catalogue says, else ${fallback}`;
  const hint = isRequired ? undefined : fallback === undefined ? "Optional." : `Optional: else ${fallback}.`;
  if (kind === "choice") {
    return (
      <Select
        label={label}
        value={text}
        onChange={(event) => onChange(event.target.value)}
        options={[
          { value: "", label: isRequired ? "Choose…" : unset },
          ...options.map((value) => ({ value, label: value })),
        ]}
        error={error}
      />
    );
  }
  if (kind === "json") {
    return (
      <ValueField
        label="Settings, as JSON"
        hint="Optional, and never a credential. Empty: those of the catalogue, or of the driver."
        value={text}
        onChange={onChange}
        error={error}
        isMultiline
        isSecret={false}
      />
    );
  }
  return (
    <TextField
      label={label}
      value={text}
      onChange={(event) => onChange(event.target.value)}
      hint={hint}
      error={error}
      inputMode={kind === "number" ? "numeric" : "text"}
      maxLength={1000}
      autoComplete="off"
      spellCheck={false}
    />
  );
}

/** "tokenUrl" is "Token url". */
function wordsOfSetting(name: string): string {
  const words = name.replaceAll(
    /([a-z])([A-Z])/g,
    (_, end: string, start: string) => `${end} ${start.toLowerCase()}`,
  );
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}
