import { useState, type ReactNode } from "react";
import {
  chooseDensity,
  chooseTheme,
  densityChoice,
  themeChoice,
  type Density,
  type Theme,
} from "../frame/appearance.ts";
import { chooseShortcuts, shortcutsChoice } from "../frame/shortcuts.ts";
import { RadioGroup, Switch } from "../ui/choices.tsx";
import { Section } from "./section.tsx";

const themes = [
  { value: "system", label: "As the system" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
] as const satisfies readonly { readonly value: Theme; readonly label: string }[];

const densities = [
  { value: "comfortable", label: "Comfortable" },
  { value: "compact", label: "Compact", hint: "More rows in sight. Touch screens keep room for a finger." },
] as const satisfies readonly { readonly value: Density; readonly label: string; readonly hint?: string }[];

/** Kept in this browser, and nowhere else. */
export function PreferencesSection(): ReactNode {
  const [theme, setTheme] = useState(themeChoice);
  const [density, setDensity] = useState(densityChoice);
  const [hasShortcuts, setShortcuts] = useState(shortcutsChoice);
  return (
    <Section title="Preferences" about="Of this browser. They count at once.">
      <div className="grid items-start gap-6 tablet:grid-cols-2">
        <RadioGroup
          label="Theme"
          value={theme}
          options={themes}
          onChange={(next) => {
            chooseTheme(next);
            setTheme(next);
          }}
        />
        <RadioGroup
          label="Rows"
          value={density}
          options={densities}
          onChange={(next) => {
            chooseDensity(next);
            setDensity(next);
          }}
        />
      </div>
      <Switch
        label="Keyboard shortcuts"
        hint="Single keys outside fields, such as / for the search. The palette stays in any case."
        checked={hasShortcuts}
        onChange={(next) => {
          chooseShortcuts(next);
          setShortcuts(next);
        }}
      />
    </Section>
  );
}
