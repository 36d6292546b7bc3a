import type { ApiAnswers } from "@repo/tenant-secrets/client";

export type NotificationType = ApiAnswers["webhooks"]["eventTypes"]["types"][number];

const typeWords: Readonly<Record<NotificationType, string>> = {
  "secret.created": "A secret was added",
  "secret.updated": "A secret was replaced",
  "secret.removed": "A secret was removed",
  "secret.restored": "A removed secret was restored",
  "secret.purged": "The values of a removed secret were destroyed",
  "secret.expiring": "A credential expires soon",
  "secret.expired": "A credential has expired",
  "secret.rejected": "A provider rejects a credential",
  "secret.revealed": "A value was revealed",
  "secret.exported": "Values were exported",
  "secret.rotation_pending": "The next value of a secret is pending",
  "secret.rotated": "A secret was rotated",
  "secret.refreshed": "A token was refreshed",
  "secret.rotation_failed": "A rotation failed",
  "secret.rotation_fell_back": "A rotation fell back to the value before",
  "secret.action_needed": "A rotation needs a person",
  "secret.retire_by_hand": "A credential can be ended by hand",
  "secret.retired": "An old credential was revoked",
  "secret.retire_failed": "An old credential could not be revoked",
  "rotation.stuck": "The rotation of a secret is stuck",
  "member.added": "A person was added",
  "member.changed": "A person has another role",
  "member.removed": "A person was removed",
  "api_key.created": "An API key was made",
  "api_key.revoked": "An API key was revoked",
  "company.store_changed": "The secrets of a company moved",
  "company.deletion_scheduled": "The deletion of a company was scheduled",
  "company.deletion_due": "A company is deleted soon",
  "company.kept": "The deletion of a company was undone",
  "company.deleted": "A company was deleted",
  "company.external_key_changed": "The external key of a company changed",
  "company.external_key_unavailable": "The external key of a company does not open",
  "company.drift": "Infisical and the database differ",
  "key.rotated": "A key was rotated",
  "key.shredded": "The keys of a company were destroyed",
  "key.compromised": "A key was compromised",
  "key.overdue": "A master key is due for rotation",
  "key.backup_failed": "A backup of the keys failed",
  "migration.finished": "A migration is finished",
  "migration.failed": "A migration has stopped",
  "audit_log.changed": "The audit log was changed",
  "webhook.endpoint_disabled": "A webhook endpoint was disabled",
  "webhook.test": "A test",
};

const groups: Readonly<Record<string, string>> = {
  secret: "Secrets",
  rotation: "Secrets",
  member: "People",
  api_key: "API keys",
  company: "Companies",
  key: "Keys",
  migration: "Companies",
  audit_log: "Audit log",
  webhook: "Webhooks",
};

export function wordsOfType(type: NotificationType): string {
  return typeWords[type];
}

interface TypeGroup {
  readonly label: string;
  readonly types: readonly NotificationType[];
}

/** The types that can be chosen, by what they are about. A test always arrives. */
export function inGroups(types: readonly NotificationType[]): readonly TypeGroup[] {
  const chosen = types.filter((type) => type !== "webhook.test");
  const byGroup = Map.groupBy(chosen, (type) => groups[type.split(".")[0] ?? ""] ?? "Others");
  return [...byGroup].map(([label, ofGroup]) => ({ label, types: ofGroup }));
}
