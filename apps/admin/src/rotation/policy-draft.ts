import type { ApiInputs } from "@repo/tenant-secrets/client";
import { inOneUnit, minutesOf, type DurationUnit } from "../frame/rotation-schedule.ts";
import type { RotationDriver, RotationPolicy } from "../frame/rotation-words.ts";
import { settingsDraftOf, settingsText, wrongSettings, type SettingsDraft } from "./settings.ts";

/** A length of time, as far as a person has entered it. */
export interface Length {
  readonly count: string;
  readonly unit: DurationUnit;
}

/** What a form says of a policy. */
export interface PolicyDraft {
  readonly secretKey: string;
  readonly driver: string;
  readonly settings: SettingsDraft;
  readonly manager: string;
  /** Which of the three rules count. None: it is rotated when it is asked for. */
  readonly rules: { readonly every: boolean; readonly cron: boolean; readonly beforeExpiry: boolean };
  readonly every: Length;
  readonly at: string;
  readonly cron: string;
  readonly beforeExpiry: Length;
  readonly zone: string;
  readonly window: { readonly opens: string; readonly closes: string };
  readonly overlap: Length;
  /** Whole numbers, as entered. Without a share there is no canary. */
  readonly canary: { readonly percent: string; readonly seconds: string };
}

/** @param driver the one that is chosen at first */
export function newDraft(secretKey: string, driver: RotationDriver | undefined): PolicyDraft {
  return {
    secretKey,
    driver: driver?.name ?? "",
    settings: settingsDraftOf(driver, undefined),
    manager: "",
    rules: { every: true, cron: false, beforeExpiry: false },
    every: { count: "30", unit: "day" },
    at: "",
    cron: "0 3 1 * *",
    beforeExpiry: { count: "7", unit: "day" },
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    window: { opens: "", closes: "" },
    overlap: { count: "24", unit: "hour" },
    canary: { percent: "", seconds: "600" },
  };
}

/** @param driver of the policy; undefined where this deployment has it no more */
export function draftOf(policy: RotationPolicy, driver: RotationDriver | undefined): PolicyDraft {
  const fresh = newDraft(policy.secretKey, driver);
  const { every, at = "", cron, beforeExpiry, zone, window } = policy.schedule ?? {};
  const [opens = "", closes = ""] = window?.split(/[–-]/) ?? [];
  return {
    ...fresh,
    settings: settingsDraftOf(driver, policy.settings),
    manager: policy.manager ?? "",
    rules: {
      every: every !== undefined,
      cron: cron !== undefined,
      beforeExpiry: beforeExpiry !== undefined,
    },
    every: every === undefined ? fresh.every : lengthOf(minutesOf(every)),
    at,
    cron: cron ?? fresh.cron,
    beforeExpiry: beforeExpiry === undefined ? fresh.beforeExpiry : lengthOf(minutesOf(beforeExpiry)),
    zone: zone ?? fresh.zone,
    window: { opens, closes },
    overlap: lengthOf(policy.overlapSeconds / 60),
    canary:
      policy.canary === undefined
        ? fresh.canary
        : { percent: String(policy.canary.percent), seconds: String(policy.canary.seconds) },
  };
}

function lengthOf(minutes: number): Length {
  if (minutes === 0) return { count: "0", unit: "hour" };
  const { count, unit } = inOneUnit(minutes);
  return { count: String(count), unit };
}

export type Wrong = Readonly<
  Partial<
    Record<
      | "secretKey"
      | "driver"
      | "manager"
      | "every"
      | "cron"
      | "beforeExpiry"
      | "at"
      | "window"
      | "overlap"
      | "percent"
      | "seconds",
      string
    >
  >
> & { readonly settings?: Readonly<Record<string, string>> };

/** @returns what is wrong with it; undefined: nothing that is known here. The server looks at the rest. */
export function wrongWith(draft: PolicyDraft, driver: RotationDriver | undefined): Wrong | undefined {
  const { rules, every, at, cron, beforeExpiry, window, overlap, canary } = draft;
  const settings = wrongSettings(driver, draft.settings);
  const hasWindow = window.opens !== "" || window.closes !== "";
  const wrong: Wrong = {
    ...(draft.secretKey === "" && { secretKey: "Choose a secret." }),
    ...(driver === undefined && { driver: "Choose what makes the next credential." }),
    ...(driver?.manager === "required" &&
      draft.manager === "" && { manager: "Choose the secret with whose rights the provider is asked." }),
    ...(rules.every && !isCount(every, 1) && { every: "Enter a whole number." }),
    ...(rules.every && at !== "" && !isWholeDays(every) && { at: "It is for an interval of whole days." }),
    ...(rules.cron &&
      cron.trim().split(/ +/).length !== 5 && {
        cron: "Enter five fields: minute, hour, day, month and day of the week.",
      }),
    ...(rules.beforeExpiry && !isCount(beforeExpiry, 1) && { beforeExpiry: "Enter a whole number." }),
    ...(hasWindow &&
      (window.opens === "" || window.closes === "" || window.opens === window.closes) && {
        window: "Enter two different times, or none.",
      }),
    ...(!isCount(overlap, 0) && { overlap: "Enter a whole number." }),
    ...(hasCanary(draft) &&
      !isWithin(canary.percent, 1, 50) && { percent: "Enter a whole number, 1 to 50, or none." }),
    ...(hasCanary(draft) &&
      !isWithin(canary.seconds, 10, 86_400) && { seconds: "Enter a whole number, 10 to 86400." }),
    ...(Object.keys(settings).length > 0 && { settings }),
  };
  return Object.keys(wrong).length === 0 ? undefined : wrong;
}

function isCount({ count }: Length, least: number): boolean {
  return isWithin(count, least, 999_999);
}

function isWithin(text: string, least: number, most: number): boolean {
  return /^\d{1,6}$/.test(text.trim()) && Number(text) >= least && Number(text) <= most;
}

export function hasCanary({ canary }: Pick<PolicyDraft, "canary">): boolean {
  return canary.percent.trim() !== "";
}

function isWholeDays(length: Length): boolean {
  return (secondsOf(length) / 60) % 1440 === 0;
}

const unitSeconds: Readonly<Record<DurationUnit, number>> = { minute: 60, hour: 3600, day: 86_400 };

function secondsOf({ count, unit }: Length): number {
  return Number(count) * unitSeconds[unit];
}

function durationOf({ count, unit }: Length): string {
  const number = Number(count);
  return { minute: `PT${number}M`, hour: `PT${number}H`, day: `P${number}D` }[unit];
}

/** What the API is told. @param draft with nothing wrong */
export function inputOf(
  draft: PolicyDraft,
  driver: RotationDriver | undefined,
): Omit<ApiInputs["rotation"]["setPolicy"], "company"> {
  const { secretKey, settings, manager, overlap, canary } = draft;
  const schedule = scheduleOf(draft);
  const text = settingsText(driver, settings);
  const takesManager = driver?.manager === "required" || driver?.manager === "optional";
  return {
    secretKey,
    driver: draft.driver,
    overlapSeconds: secondsOf(overlap),
    ...(text !== undefined && { settings: text }),
    ...(schedule !== undefined && { schedule }),
    ...(hasCanary(draft) && {
      canary: { percent: Number(canary.percent), seconds: Number(canary.seconds) },
    }),
    ...(takesManager && manager !== "" && { manager }),
  };
}

export function scheduleOf(draft: PolicyDraft): RotationPolicy["schedule"] {
  const { rules, every, at, cron, beforeExpiry, zone, window } = draft;
  if (!rules.every && !rules.cron && !rules.beforeExpiry) return undefined;
  const hasAt = rules.every && at !== "";
  const hasWindow = window.opens !== "" && window.closes !== "";
  return {
    ...(rules.every && { every: durationOf(every) }),
    ...(hasAt && { at }),
    ...(rules.cron && { cron: cron.trim() }),
    ...(rules.beforeExpiry && { beforeExpiry: durationOf(beforeExpiry) }),
    ...(hasWindow && { window: `${window.opens}–${window.closes}` }),
    ...((hasAt || rules.cron || hasWindow) && { zone }),
  };
}
