import type { NotificationType } from "@repo/catalog";
import type { AuditAction } from "./actions.ts";
import type { EventContent } from "./event.ts";

/** What an event is to those who asked to be notified. */
export interface NotificationOf {
  readonly type: NotificationType;
  /** The name of the event's subject in the notification's data. */
  readonly subjectName?: "user" | "apiKey" | "endpoint" | "run" | "region";
  /** Where the event has its subject. Default: `subject` */
  readonly subject?: "requestId";
}

type OfEvent = NotificationOf | ((event: EventContent) => NotificationOf | undefined);

/** The actor of the runs that rotate secrets. The request id of its events is the run's id. */
const rotation = "rotation";

function byRotation(
  { actorKind, actorId }: EventContent,
  type: NotificationType,
): NotificationOf | undefined {
  return actorKind === "job" && actorId === rotation
    ? { type, subjectName: "run", subject: "requestId" }
    : undefined;
}

function ofRun(type: NotificationType): NotificationOf {
  return { type, subjectName: "run" };
}

/** Not where it was so before: then no key was made. */
function externalKeyChanged({ version }: EventContent): NotificationOf | undefined {
  return version === undefined || version === null ? undefined : { type: "company.external_key_changed" };
}

/** The actions whose success is a notification. Reads are none. */
const ofAction: Readonly<Partial<Record<AuditAction, OfEvent>>> = {
  "secret.write": (event) =>
    byRotation(event, "secret.refreshed") ?? {
      type: event.version === 1 ? "secret.created" : "secret.updated",
    },
  "secret.stage": (event) => byRotation(event, "secret.rotation_pending"),
  "secret.promote": (event) => byRotation(event, "secret.rotated") ?? { type: "secret.updated" },
  "secret.rollback": (event) => byRotation(event, "secret.rotation_fell_back") ?? { type: "secret.updated" },
  "rotation.ask": ofRun("secret.action_needed"),
  "rotation.ask-retire": ofRun("secret.retire_by_hand"),
  "rotation.retire": ofRun("secret.retired"),
  "rotation.stick": ofRun("rotation.stuck"),
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
  "company.schedule-deletion": ofRun("company.deletion_scheduled"),
  "company.deletion-due": ofRun("company.deletion_due"),
  "company.keep": ofRun("company.kept"),
  "company.delete": ofRun("company.deleted"),
  "company.set-external-key": externalKeyChanged,
  "company.remove-external-key": externalKeyChanged,
  "webhook.disable": { type: "webhook.endpoint_disabled", subjectName: "endpoint" },
  "company.drift": { type: "company.drift" },
  "key.activate": { type: "key.rotated" },
  "key.shred": { type: "key.shredded" },
  "key.emergency-rotate": { type: "key.compromised" },
  "key.overdue": { type: "key.overdue", subjectName: "region" },
  "migration.finish": ofRun("migration.finished"),
};

/** The actions whose failure is one. */
const ofFailure: typeof ofAction = {
  "rotation.run": ofRun("secret.rotation_failed"),
  "rotation.retire": ofRun("secret.retire_failed"),
  "key.external": { type: "company.external_key_unavailable" },
  "key.backup": { type: "key.backup_failed" },
  // Not where a person gave another passphrase, or another file.
  "key.check-backup": ({ reason }) =>
    reason === "INTEGRITY_FAILURE" ? { type: "key.backup_failed" } : undefined,
  "migration.finish": ofRun("migration.failed"),
  // One that could not be made fails for another reason.
  "audit.verify": ({ reason }) =>
    reason === "INTEGRITY_FAILURE" ? { type: "audit_log.changed" } : undefined,
};

/**
 * @returns undefined for an event that notifies of nothing. A write that a retry repeats, and that was applied before, does not
 *   notify again
 */
export function notificationOf(event: EventContent): NotificationOf | undefined {
  const { action, outcome, reason } = event;
  if (reason === "REPLAYED") return undefined;
  const found =
    outcome === "success" ? ofAction[action] : outcome === "failed" ? ofFailure[action] : undefined;
  return typeof found === "function" ? found(event) : found;
}
