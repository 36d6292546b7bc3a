import type { ApiAnswers } from "@repo/tenant-secrets/client";

// The first load of the app has this file: it imports no words.

export type Outcome = ApiAnswers["audit"]["list"]["events"][number]["outcome"];

/** The filters, as the URL has them. What is left out does not filter; without a time it is the last seven days. */
export interface AuditSearch {
  /** A subdomain. On the page of operators alone, which is of all companies without it. */
  readonly company?: string | undefined;
  readonly last?: Preset | undefined;
  /** ISO 8601; both or none. They count before `last`. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** An id. */
  readonly actor?: string | undefined;
  /** An action, or a group of them. */
  readonly action?: string | undefined;
  readonly secret?: string | undefined;
  readonly outcome?: Outcome | undefined;
  /** An id of a request. */
  readonly request?: string | undefined;
}

const hours = 3_600_000;

/** The times that one chooses by a click. */
export const presets = {
  "24h": { label: "Last 24 hours", ms: 24 * hours },
  "7d": { label: "Last 7 days", ms: 7 * 24 * hours },
  "30d": { label: "Last 30 days", ms: 30 * 24 * hours },
  "90d": { label: "Last 90 days", ms: 90 * 24 * hours },
} as const;
export type Preset = keyof typeof presets;

export function isPreset(text: unknown): text is Preset {
  return typeof text === "string" && Object.hasOwn(presets, text);
}

const outcomes: Readonly<Record<Outcome, true>> = {
  success: true,
  denied: true,
  attempted: true,
  failed: true,
  unknown: true,
};

export function isOutcome(text: unknown): text is Outcome {
  return typeof text === "string" && Object.hasOwn(outcomes, text);
}

/** The filters of operators' page, which may be of one company. */
export function platformAuditSearchFrom(search: Readonly<Record<string, unknown>>): AuditSearch {
  const company = textOf(search["company"]);
  return { ...(company !== undefined && { company }), ...auditSearchFrom(search) };
}

/** Anything that is no filter is left out. */
export function auditSearchFrom(search: Readonly<Record<string, unknown>>): AuditSearch {
  const { last, outcome } = search;
  const from = momentOf(search["from"]);
  const to = momentOf(search["to"]);
  const isSpan = from !== undefined && to !== undefined && from < to;
  const filters: AuditSearch = {
    ...(isSpan ? { from, to } : {}),
    last: !isSpan && isPreset(last) ? last : undefined,
    actor: textOf(search["actor"]),
    action: textOf(search["action"]),
    secret: textOf(search["secret"]),
    outcome: isOutcome(outcome) ? outcome : undefined,
    request: textOf(search["request"]),
  };
  return Object.fromEntries(Object.entries(filters).filter(([, filter]) => filter !== undefined));
}

/** The change that takes away every filter but the time. */
export const noFilters = {
  company: undefined,
  actor: undefined,
  action: undefined,
  secret: undefined,
  outcome: undefined,
  request: undefined,
} as const satisfies AuditSearch;

/** How many filters are on beside the time. */
export function countOfFilters(search: AuditSearch): number {
  const { company, actor, action, secret, outcome, request } = search;
  return [company, actor, action, secret, outcome, request].filter((filter) => filter !== undefined).length;
}

/** As long as the API takes one. */
function textOf(text: unknown): string | undefined {
  return typeof text === "string" && text !== "" && text.length <= 200 ? text : undefined;
}

function momentOf(text: unknown): string | undefined {
  return typeof text === "string" && /^[12]\d{3}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text))
    ? new Date(text).toISOString()
    : undefined;
}
