import type { RotationDriver } from "../frame/rotation-words.ts";

/** What a form says of a driver's settings: by property, or "" for all of them as JSON. */
export type SettingsDraft = Readonly<Record<string, string>>;

/** One field of a driver's settings. */
export interface SettingsPart {
  /** The property; "" for the whole object. */
  readonly name: string;
  readonly kind: "text" | "number" | "choice" | "json";
  /** Of a choice. */
  readonly options: readonly string[];
  readonly isRequired: boolean;
  /** What counts where the field is left empty. */
  readonly fallback: string | undefined;
}

/** The fields of a driver's settings: one for each property of simple ones, and one of JSON for all else. */
export function settingsPartsOf(driver: RotationDriver | undefined): readonly SettingsPart[] {
  if (driver === undefined) return [];
  const { settings } = driver;
  const whole: SettingsPart = { name: "", kind: "json", options: [], isRequired: false, fallback: undefined };
  if (settings["type"] !== "object") return [whole];
  const required = listOf(settings["required"]);
  const parts = Object.entries(recordOf(settings["properties"])).map(([name, of]) =>
    partOf(name, recordOf(of), required.includes(name)),
  );
  return parts.some((part) => part === undefined) ? [whole] : parts.filter((part) => part !== undefined);
}

function partOf(
  name: string,
  { type, enum: values, default: fallback }: Readonly<Record<string, unknown>>,
  isRequired: boolean,
): SettingsPart | undefined {
  const options = listOf(values);
  const kind =
    options.length > 0
      ? "choice"
      : type === "string"
        ? "text"
        : type === "integer" || type === "number"
          ? "number"
          : undefined;
  if (kind === undefined) return undefined;
  const isSaid = typeof fallback === "string" || typeof fallback === "number";
  return { name, kind, options, isRequired, fallback: isSaid ? String(fallback) : undefined };
}

/** @param text the settings of a policy, as JSON; undefined: of a new one */
export function settingsDraftOf(driver: RotationDriver | undefined, text: string | undefined): SettingsDraft {
  const parts = settingsPartsOf(driver);
  if (text === undefined || text === "null") return {};
  if (parts.some(({ kind }) => kind === "json")) return { "": text === "{}" ? "" : text };
  const known = recordOf(parsed(text));
  return Object.fromEntries(
    parts.flatMap(({ name }) => {
      const of = known[name];
      if (of === undefined) return [];
      return [[name, typeof of === "string" ? of : JSON.stringify(of)]];
    }),
  );
}

/** What is wrong, by field, as far as it is known here. */
export function wrongSettings(
  driver: RotationDriver | undefined,
  draft: SettingsDraft,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    settingsPartsOf(driver).flatMap((part): readonly (readonly [string, string])[] => {
      const text = (draft[part.name] ?? "").trim();
      const wrong = text === "" ? (part.isRequired ? "Fill this in." : undefined) : wrongText(part, text);
      return wrong === undefined ? [] : [[part.name, wrong]];
    }),
  );
}

function wrongText({ kind }: SettingsPart, text: string): string | undefined {
  if (kind === "number" && !Number.isFinite(Number(text))) return "Enter a number.";
  const isObject = () => text.startsWith("{") && parsed(text) !== undefined;
  return kind === "json" && !isObject() ? "Enter a JSON object." : undefined;
}

/** The settings as JSON; undefined where nothing was filled in, so that those of the catalogue count. */
export function settingsText(driver: RotationDriver | undefined, draft: SettingsDraft): string | undefined {
  const whole = (draft[""] ?? "").trim();
  if (whole !== "") return whole;
  const filled = settingsPartsOf(driver).flatMap(({ name, kind }) => {
    const text = (draft[name] ?? "").trim();
    return text === "" ? [] : [[name, kind === "number" ? Number(text) : text] as const];
  });
  return filled.length === 0 ? undefined : JSON.stringify(Object.fromEntries(filled));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
