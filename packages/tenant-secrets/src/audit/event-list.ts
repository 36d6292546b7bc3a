import { and, desc, eq, gte, inArray, lt, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { EventRow } from "@repo/audit-log";
import { type AuditEvent, type AuditFilters, type CompanyId, TenantSecretsError } from "@repo/catalog";
import {
  type NamedActor,
  type NameOf,
  selectNamesInCompany,
  selectNamesOnPlatform,
} from "../companies/actor-names.ts";
import type { CursorScope } from "./cursor.ts";

const { auditEvents } = tables;

/** The columns that callers see: those that only prove an event are left out. */
const shown = {
  id: auditEvents.id,
  companyId: auditEvents.companyId,
  occurredAt: auditEvents.occurredAt,
  actorKind: auditEvents.actorKind,
  actorId: auditEvents.actorId,
  action: auditEvents.action,
  secretKey: auditEvents.secretKey,
  version: auditEvents.version,
  outcome: auditEvents.outcome,
  reason: auditEvents.reason,
  subject: auditEvents.subject,
  requestId: auditEvents.requestId,
  address: auditEvents.address,
  count: auditEvents.count,
  lastAt: auditEvents.lastAt,
};

type ShownEvent = Pick<EventRow, keyof typeof shown>;

/** The most events that one page looks through: an index scan of some tens of milliseconds. */
const lookedThrough = 20_000;

/** Where a page is, and how large. */
interface Page {
  /** The place of the last event before it. */
  readonly after: string | undefined;
  readonly limit: number;
}

interface EventsOfPage<Event> {
  readonly events: readonly Event[];
  /** The place that the next page comes after; undefined on the last one. */
  readonly next: string | undefined;
}

/** An order of events that pages follow, the newest first. */
interface Order {
  readonly column: typeof auditEvents.position | typeof auditEvents.id;
  /** What an index on the order begins with. */
  readonly within: SQL | undefined;
  /** What the rest of the conditions is. */
  readonly matching: SQL | undefined;
}

/**
 * @returns a page of one company's events, in the order of their positions, or within a time span in the order of their times:
 *   positions say nothing of where a time begins, so that a walk along them would look through all events beside the span
 */
export async function selectOfCompany(
  statements: Statements,
  company: CompanyId,
  { filters, ...page }: Page & { readonly filters: AuditFilters },
): Promise<EventsOfPage<AuditEvent>> {
  const found = await selectPage(statements, orderOfCompany(company, filters), page);
  return withNames(found, await selectNamesInCompany(statements, company, found.events.map(actorOf)));
}

function orderOfCompany(company: CompanyId, filters: AuditFilters): Order {
  const { secretKeys, ...others } = filters;
  const [secretKey, ...more] = secretKeys ?? [];
  const ofCompany = eq(auditEvents.companyId, company);
  if (filters.from !== undefined || filters.to !== undefined) {
    return {
      column: auditEvents.id,
      within: and(ofCompany, withinSpan(filters)),
      matching: matches(filters),
    };
  }
  const column = auditEvents.position;
  const within = ofCompany;
  if (secretKey === undefined || more.length > 0) return { column, within, matching: matches(filters) };
  // One secret has an index of its own.
  return { column, within: and(within, eq(auditEvents.secretKey, secretKey)), matching: matches(others) };
}

/** @returns a page of the events of all companies and of the platform, ordered by the time in their ids */
export async function selectOfPlatform(
  statements: Statements,
  { filters, ...page }: Page & { readonly filters: AuditFilters },
): Promise<EventsOfPage<AuditEvent>> {
  const within = withinSpan(filters);
  const order = { column: auditEvents.id, within, matching: matches(filters) };
  const found = await selectPage(statements, order, page);
  return withNames(found, await selectNamesOnPlatform(statements, found.events.map(actorOf)));
}

function withNames({ events, next }: EventsOfPage<ShownEvent>, nameOf: NameOf): EventsOfPage<AuditEvent> {
  return { events: events.map((event) => ({ ...event, actorName: nameOf(actorOf(event)) })), next };
}

function actorOf({ companyId, actorKind: kind, actorId: id }: ShownEvent): NamedActor {
  return { companyId, kind, id };
}

async function selectPage(
  statements: Statements,
  { column, within, matching }: Order,
  { after, limit }: Page,
): Promise<EventsOfPage<ShownEvent>> {
  const reach = and(within, after === undefined ? undefined : lt(column, placeIn(column, after)));
  // The end comes first, so that an event that is committed between the statements cannot move it into the next page.
  const [end] =
    matching === undefined
      ? []
      : await statements
          .select({ place: column })
          .from(auditEvents)
          .where(reach)
          .orderBy(desc(column))
          .offset(lookedThrough - 1)
          .limit(1);
  const rows = await statements
    .select({ ...shown, place: column })
    .from(auditEvents)
    .where(and(reach, end && gte(column, end.place), matching))
    .orderBy(desc(column))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : end;
  return {
    events: page.map(eventOf),
    next: last === undefined ? undefined : String(last.place),
  };
}

function eventOf(row: ShownEvent & { readonly place: unknown }): ShownEvent {
  const { place: _, ...event } = row;
  return event;
}

function placeIn(column: Order["column"], place: string): bigint | string {
  return column === auditEvents.position ? BigInt(place) : place;
}

function matches({
  actors,
  actions,
  secretKeys,
  outcomes,
  from,
  to,
  requestId,
}: AuditFilters): SQL | undefined {
  const { actorId, action, secretKey, outcome, occurredAt } = auditEvents;
  return and(
    actors && inArray(actorId, [...actors]),
    actions && inArray(action, [...actions]),
    secretKeys && inArray(secretKey, [...secretKeys]),
    outcomes && inArray(outcome, [...outcomes]),
    from && gte(occurredAt, from),
    to && lt(occurredAt, to),
    requestId === undefined ? undefined : eq(auditEvents.requestId, requestId),
  );
}

/** An id has the time of its event. */
function withinSpan({ from, to }: AuditFilters): SQL | undefined {
  return and(from && gte(auditEvents.id, firstIdOf(from)), to && lt(auditEvents.id, firstIdOf(to)));
}

/** The lowest id of version 7 that an event of this time can have. */
function firstIdOf(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** @throws {TenantSecretsError} INVALID_INPUT for a time span that has no time in it */
export function checkSpan({ from, to }: Pick<AuditFilters, "from" | "to">): void {
  if (from === undefined || to === undefined || from < to) return;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    "The time to list events from is before the time to list them to.",
  );
}

/** Filters as a part of what a cursor is valid for: the same ones in another order are the same. */
export function scopeOf(filters: AuditFilters): CursorScope {
  const { actors, actions, secretKeys, outcomes, from, to, requestId } = filters;
  const lists = [actors, actions, secretKeys, outcomes].map((values) => [...new Set(values)].toSorted());
  return [JSON.stringify([...lists, from ?? null, to ?? null, requestId ?? null])];
}
