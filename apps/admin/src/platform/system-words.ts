import type { ApiAnswers } from "@repo/tenant-secrets/client";
import type { Tone } from "../ui/badge.tsx";

export type Health = ApiAnswers["system"]["health"];

export const statusWords: Readonly<Record<Health["status"], readonly [word: string, tone: Tone]>> = {
  ready: ["All works", "ok"],
  degraded: ["Degraded", "warn"],
  unavailable: ["Unavailable", "danger"],
};

/** What one part does now, in a word and a sentence. */
export interface Light {
  readonly name: string;
  readonly word: string;
  readonly tone: Tone;
  readonly text: string;
}

type Words = readonly [word: string, tone: Tone, text: string];

const silent = "It gave no answer within two seconds.";

const databaseWords: Readonly<Record<Health["database"], Words>> = {
  ok: ["Works", "ok", "It answers."],
  unavailable: [
    "Away",
    "danger",
    "It cannot be reached. Cached values are still read; nothing can be changed.",
  ],
  refuses: ["Refuses", "danger", "It refuses what it is asked. The log of the API says why."],
  silent: ["Silent", "danger", silent],
};

const masterKeyWords: Readonly<Record<Health["masterKey"], Words>> = {
  ok: ["Loaded", "ok", "It is loaded, and it is the one that the values are under."],
  missing: ["Missing", "danger", "Infisical has none. Restore it from a backup of the keys."],
  malformed: ["Malformed", "danger", "What Infisical has is no key. Restore it from a backup of the keys."],
  wrong: ["Wrong", "danger", "What Infisical has is another key. Restore it from a backup of the keys."],
  unavailable: ["Unavailable", "danger", "It could not be loaded. The log of the API says why."],
  silent: ["Silent", "danger", silent],
};

const infisicalWords: Readonly<Record<Health["infisical"], Words>> = {
  ok: ["Works", "ok", "It answers."],
  unavailable: ["Away", "warn", "It cannot be reached. Companies whose secrets live there are cut off."],
  denied: ["Denies", "danger", "It refuses the machine identity of this service."],
  troubled: ["Troubled", "warn", "It answers, and recent calls had a problem that the log names."],
  silent: ["Silent", "warn", silent],
};

const breakerWords: Readonly<Record<Health["breaker"], string>> = {
  closed: "",
  open: " The circuit breaker is open: calls are refused at once.",
  "half-open": " The circuit breaker tries one call.",
};

const notificationWords: Readonly<Record<Health["notifications"], Words>> = {
  ok: ["Heard", "ok", "Changes of other processes are heard at once."],
  lost: ["Lost", "warn", "Changes of other processes are noticed up to five minutes late."],
  off: ["Off", "neutral", "This process caches nothing, and needs none."],
};

/** @returns the four parts that all else needs */
export function lightsOf({
  database,
  masterKey,
  infisical,
  breaker,
  notifications,
}: Health): readonly Light[] {
  const [word, tone, text] = infisicalWords[infisical];
  return [
    light("Database", databaseWords[database]),
    light("Master key", masterKeyWords[masterKey]),
    light("Infisical", [word, tone, text + breakerWords[breaker]]),
    light("Notifications", notificationWords[notifications]),
  ];
}

function light(name: string, [word, tone, text]: Words): Light {
  return { name, word, tone, text };
}

type Alarm = NonNullable<Health["audit"]>["alarms"][number];

/** What to do: docs/audit-log.md. */
export const alarmWords: Readonly<Record<Alarm, string>> = {
  AUDIT_LAGS:
    "Events have waited for 30 s: an older transaction of the cluster does not end, or a row claims a future one.",
  AUDIT_CHANGED:
    "A checkpoint was removed or changed, or the nightly verification has findings: “secrets audit verify” names them.",
  AUDIT_RESTORED: "The database was restored from another cluster.",
  AUDIT_FAILED_OVER:
    "A standby was promoted, or the server was restored to a point in time, and no operator has acknowledged it. If it was meant: “secrets audit acknowledge-failover --checkpoints api.log”.",
  AUDIT_NOT_SEALED: "Sealing fails: the database is unavailable, or the last checkpoint cannot be continued.",
};
