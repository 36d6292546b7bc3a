import type { NotificationType } from "@repo/catalog";
import type { AuditAction } from "./actions.ts";
import type { EventContent } from "./event.ts";

/** What an event is to those who asked to be notified. */
export interface NotificationOf {
  readonly type: NotificationType;
  /** The name of the event's subject in the notification's data. */
  readonly subjectName?: "user" | "apiKey" | "endpoint" | "run";
}

type OfEvent = NotificationOf | ((event: EventContent) => NotificationOf | undefined);

/** The actions whose success is a notification. Reads are none. */
const ofAction: Readonly<Partial<Record<AuditAction, OfEvent>>> = {
  "secret.write": ({ version }) => ({ type: version === 1 ? "secret.created" : "secret.updated" }),
  "secret.promote": { type: "secret.updated" },
  "secret.rollback": { type: "secret.updated" },
  "secret.remove": { type: "secret.removed" },
  "secret.restore": { type: "secret.restored" },
  "secret.purge": { type: "secret.purged" },
  "secret.expires-soon": { type: "secret.expiring" },
  "secret.expired": { type: "secret.expired" },
  "secret.check": ({ reason }) => (reason === "rejected" ? { type: "secret.rejected" } : undefined),
  "secret.reveal": { type: "secret.revealed" },
  "secret.export": { type: "secret.exported" },
  "member.add": { type: "member.added", subjectName: "user" },
  "member.change": { type: "member.changed", subjectName: "user" },
  "member.remove": { type: "member.removed", subjectName: "user" },
  "api-key.create": { type: "api_key.created", subjectName: "apiKey" },
  "api-key.revoke": { type: "api_key.revoked", subjectName: "apiKey" },
  "company.set-store": { type: "company.store_changed" },
  "webhook.disable": { type: "webhook.endpoint_disabled", subjectName: "endpoint" },
  "company.drift": { type: "company.drift" },
  "key.activate": { type: "key.rotated" },
  "key.shred": { type: "key.shredded" },
  "key.emergency-rotate": { type: "key.compromised" },
};

/**
 * @returns undefined for an event that notifies of nothing. A write that a retry repeats, and that was applied before, does not
 *   notify again
 */
export function notificationOf(event: EventContent): NotificationOf | undefined {
  if (event.outcome !== "success" || event.reason === "REPLAYED") return undefined;
  const found = ofAction[event.action];
  return typeof found === "function" ? found(event) : found;
}
