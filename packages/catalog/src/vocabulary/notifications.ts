import { z } from "zod";

const Moment = z.iso.datetime();

const Envelope = {
  version: z
    .literal(1)
    .describe("Of the shape of `data`. A change of it that breaks readers makes another version."),
  timestamp: Moment.describe("When it happened. Notifications arrive in any order."),
};

const common = {
  company: z
    .object({ id: z.uuid(), subdomain: z.string() })
    .optional()
    .describe("Left out of what concerns the platform alone."),
  actor: z
    .object({ kind: z.string(), id: z.string() })
    .describe("Who did it: a person, an API key, an operator or a job, by its id."),
  event: z.uuid().describe("The event of the audit log."),
  reason: z
    .string()
    .optional()
    .describe("Such as the code of an error, the role of a member or the purpose of a reveal."),
};

const ofSecret = z.object({
  ...common,
  secretKey: z.string().optional().describe("Left out where it concerns several secrets, such as an export."),
  secretVersion: z.int().optional(),
  previousVersion: z
    .int()
    .optional()
    .describe("The version that is replaced, and that is accepted until `previousUntil`."),
  previousUntil: Moment.optional(),
  expiresAt: Moment.optional().describe("When the current credential ends at its provider."),
  run: z.uuid().optional().describe("The run that rotates it."),
});
const ofMember = z.object({ ...common, user: z.string() });
const ofApiKey = z.object({ ...common, apiKey: z.uuid() });
const ofEndpoint = z.object({ ...common, endpoint: z.uuid() });
/** Of what a company or the platform has one of. */
const ofWhole = z.object(common);
const ofKey = z.object({ ...common, keyVersion: z.int().optional() });
const ofMasterKey = z.object({ ...common, region: z.string(), keyVersion: z.int() });
const ofDeletion = z.object({
  ...common,
  run: z.uuid().describe("The run that deletes the company."),
  deleteAt: Moment.describe("When it begins, by the database's clock."),
});
const ofMigration = z.object({ ...common, run: z.uuid() });

/** The notifications of a company, by their type, with the shape of their data. */
const companyNotifications = {
  "secret.created": ofSecret,
  "secret.updated": ofSecret,
  "secret.removed": ofSecret,
  "secret.restored": ofSecret,
  "secret.purged": ofSecret,
  "secret.expiring": ofSecret,
  "secret.expired": ofSecret,
  "secret.rejected": ofSecret,
  "secret.revealed": ofSecret,
  "secret.exported": ofSecret,
  "secret.rotation_pending": ofSecret,
  "secret.rotated": ofSecret,
  "secret.refreshed": ofSecret,
  "secret.rotation_failed": ofSecret,
  "secret.rotation_fell_back": ofSecret,
  "secret.action_needed": ofSecret,
  "secret.retire_by_hand": ofSecret,
  "secret.retired": ofSecret,
  "secret.retire_failed": ofSecret,
  "rotation.stuck": ofSecret,
  "member.added": ofMember,
  "member.changed": ofMember,
  "member.removed": ofMember,
  "api_key.created": ofApiKey,
  "api_key.revoked": ofApiKey,
  "company.store_changed": ofWhole,
  "company.deletion_scheduled": ofDeletion,
  "company.deletion_due": ofDeletion,
  "company.kept": ofDeletion,
  "company.external_key_changed": ofWhole,
  "company.external_key_unavailable": ofWhole,
  "webhook.endpoint_disabled": ofEndpoint,
  "webhook.test": ofEndpoint,
} as const;

/** The notifications of the platform, which operators' endpoints get beside those of all companies. */
const platformNotifications = {
  "company.drift": ofSecret,
  "company.deleted": ofDeletion,
  "key.rotated": ofKey,
  "key.shredded": ofWhole,
  "key.compromised": ofKey,
  "key.overdue": ofMasterKey,
  "key.backup_failed": ofWhole,
  "migration.finished": ofMigration,
  "migration.failed": ofMigration,
  "audit_log.changed": ofWhole,
} as const;

const all = { ...companyNotifications, ...platformNotifications };

export type CompanyNotificationType = keyof typeof companyNotifications;
export type NotificationType = keyof typeof all;

export const companyNotificationTypes = keysOf(companyNotifications);
export const notificationTypes = keysOf(all);

/** A notification as it is sent, by its type. */
export type Notification = {
  readonly [T in NotificationType]: Readonly<{
    type: T;
    version: 1;
    timestamp: string;
    data: Readonly<z.infer<(typeof all)[T]>>;
  }>;
}[NotificationType];

/** @returns undefined for a type or a version that this release does not know */
export function findNotification(value: unknown): Notification | undefined {
  const { type } = z.object({ type: z.string() }).safeParse(value).data ?? {};
  if (type === undefined || !isNotificationType(type)) return undefined;
  const { data } = notificationSchema(type).safeParse(value);
  return data === undefined ? undefined : asNotification(data);
}

/** The shape of a type. Fields that it does not name are allowed: one can be added without another version. */
export function notificationSchema(type: NotificationType) {
  return z.object({ type: z.literal(type), ...Envelope, data: all[type] });
}

/** Those that a suspended company's endpoints get too: the others wait until it is resumed. */
export const sentWhileSuspended = [
  "company.deletion_scheduled",
  "company.deletion_due",
  "company.kept",
] as const satisfies readonly CompanyNotificationType[];

/** Whether only operators' endpoints get it, also where it is about a company. */
export function concernsPlatform(type: NotificationType): boolean {
  return Object.hasOwn(platformNotifications, type);
}

export function isNotificationType(text: string): text is NotificationType {
  return Object.hasOwn(all, text);
}

/** `parsed` came from the schema of its own type, which TypeScript does not follow through the look-up. */
function asNotification(parsed: { readonly type: NotificationType }): Notification {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return parsed as Notification;
}

/** `Object.keys` of an object without further properties. */
function keysOf<K extends string>(object: Readonly<Record<K, unknown>>): readonly K[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return Object.keys(object) as K[];
}
