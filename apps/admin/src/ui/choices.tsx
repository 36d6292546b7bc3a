import { Check } from "lucide-react";
import { Checkbox as RadixCheckbox, RadioGroup as RadixRadios, Switch as RadixSwitch } from "radix-ui";
import { useId, type ReactNode } from "react";

interface ChoiceProps {
  readonly label: ReactNode;
  readonly hint?: ReactNode;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly disabled?: boolean;
}

const mark =
  "mt-0.5 grid size-5 shrink-0 place-items-center border border-control bg-surface text-on-accent disabled:opacity-55 data-[state=checked]:border-accent data-[state=checked]:bg-accent";

export function Checkbox({ label, hint, checked, onChange, disabled = false }: ChoiceProps): ReactNode {
  const id = useId();
  return (
    <div className="flex min-h-6 gap-2">
      <RadixCheckbox.Root
        id={id}
        checked={checked}
        onCheckedChange={(next) => onChange(next === true)}
        disabled={disabled}
        className={`${mark} rounded-[4px]`}
      >
        <RadixCheckbox.Indicator>
          <Check size={14} strokeWidth={3} aria-hidden />
        </RadixCheckbox.Indicator>
      </RadixCheckbox.Root>
      <Words id={id} label={label} hint={hint} />
    </div>
  );
}

/** A setting that counts at once. */
export function Switch({ label, hint, checked, onChange, disabled = false }: ChoiceProps): ReactNode {
  const id = useId();
  return (
    <div className="flex min-h-6 gap-3">
      <RadixSwitch.Root
        id={id}
        checked={checked}
        onCheckedChange={onChange}
        disabled={disabled}
        className="mt-px h-5 w-9 shrink-0 rounded-full border border-control bg-sunken p-px transition-colors disabled:opacity-55 data-[state=checked]:border-accent data-[state=checked]:bg-accent"
      >
        <RadixSwitch.Thumb className="block size-4 rounded-full bg-control transition-transform data-[state=checked]:translate-x-4 data-[state=checked]:bg-on-accent" />
      </RadixSwitch.Root>
      <Words id={id} label={label} hint={hint} />
    </div>
  );
}

interface RadioGroupProps<Value extends string> {
  readonly label: string;
  readonly value: Value;
  readonly onChange: (value: Value) => void;
  readonly options: readonly {
    readonly value: Value;
    readonly label: ReactNode;
    readonly hint?: ReactNode;
    readonly disabled?: boolean;
  }[];
}

export function RadioGroup<Value extends string>({
  label,
  value,
  onChange,
  options,
}: RadioGroupProps<Value>): ReactNode {
  const id = useId();
  return (
    <div className="grid gap-2">
      <p id={id} className="font-medium">
        {label}
      </p>
      <RadixRadios.Root
        aria-labelledby={id}
        value={value}
        onValueChange={(next) => {
          const chosen = options.find((option) => option.value === next);
          if (chosen !== undefined) onChange(chosen.value);
        }}
        className="grid gap-2"
      >
        {options.map((option) => (
          <div key={option.value} className="flex min-h-6 gap-2">
            <RadixRadios.Item
              id={`${id}-${option.value}`}
              value={option.value}
              disabled={option.disabled === true}
              className={`${mark} rounded-full`}
            >
              <RadixRadios.Indicator className="size-2 rounded-full bg-on-accent" />
            </RadixRadios.Item>
            <Words id={`${id}-${option.value}`} label={option.label} hint={option.hint} />
          </div>
        ))}
      </RadixRadios.Root>
    </div>
  );
}

function Words({
  id,
  label,
  hint,
}: {
  readonly id: string;
  readonly label: ReactNode;
  readonly hint: ReactNode;
}): ReactNode {
  return (
    <label htmlFor={id} className="grid">
      <span>{label}</span>
      {hint !== undefined && <span className="text-small text-muted">{hint}</span>}
    </label>
  );
}
