import type { AuditLog, createAuditLog, Sealer, SealerOptions } from "@repo/audit-log";
import type {
  Caller,
  Catalog,
  CompanySecrets,
  SecretKeyOf,
  SecretStoreName,
  TenantSecretsError,
  WriteResult,
} from "@repo/catalog";
import type { Database } from "@repo/db";
import type { ExternalKeys } from "@repo/external-keys";
import type { InfisicalClient } from "@repo/infisical";
import type { Outbound } from "@repo/outbound";
import type { RateLimitOptions } from "../access/rate-limits.ts";
import type { RetentionOptions } from "../access/retention.ts";
import type { CacheOptions } from "../cache/cache-options.ts";
import type { Accounts } from "../companies/accounts.ts";
import type { OperatorsRequired } from "../companies/approval-gate.ts";
import type { SignIn } from "../companies/authenticate.ts";
import type { MailOptions } from "../companies/mailing.ts";
import type { BackupDestination } from "../keys/backup/destination.ts";
import type { ServingProcess } from "../keys/rotation/process-registry.ts";
import type { Services } from "../product-services.ts";
import type { CredentialChecks } from "../providers/credential-check.ts";
import type { WebhookRequest, WebhookVerifiers } from "../providers/webhook-verification.ts";
import type { RotationDrivers } from "../rotation/drivers/driver.ts";
import type { QuotaOptions } from "../stores/database/quotas.ts";
import type { SecretStore } from "../stores/store.ts";
import type { Measurements } from "../vault/measurements.ts";

/** What the product is assembled from: open connections, and a product's own parts. */
export interface AssemblyOptions<C extends Catalog> {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly catalog: C;
  /** The region whose master key this deployment wraps with. "default" is MASTER_ENCRYPTION_KEY itself. */
  readonly region?: string;
  /** The keys that companies have in services of their own. Default: those in AWS KMS */
  readonly externalKeys?: ExternalKeys | undefined;
  /** For how many milliseconds a key that one of those has opened is used, at least 5,000. Default: 60,000 */
  readonly externalKeyTtlMs?: number | undefined;
  /** The origin of this region's API, which other regions are told; without it, they cannot be told of this one. */
  readonly address?: string | undefined;
  /** Finds the person who has signed in; without it there are no people, only credentials. */
  readonly signIn?: SignIn | undefined;
  /** The accounts behind `signIn`; without it, people manage theirs in the product, and only people who can sign in already accept an invitation. */
  readonly accounts?: Accounts | undefined;
  /** How mail is sent; without it, invitations are NOT_SUPPORTED. */
  readonly mail?: MailOptions | undefined;
  /**
   * How many operators it takes to destroy a master key, to shred a company and to begin an emergency rotation. Default: 2, the
   * one who calls and another who approves
   */
  readonly operatorApprovals?: OperatorsRequired | undefined;
  /** Where rotations that a request starts store their backup; without it, a request cannot start one. */
  readonly backupDestination?: BackupDestination | undefined;
  /** How providers are asked whether a credential works, by the names in the catalogue. Default: `providerChecks` */
  readonly checks?: CredentialChecks | undefined;
  /** How credentials are renewed with their providers, by the names in the catalogue. Default: `rotationDrivers` */
  readonly drivers?: RotationDrivers | undefined;
  /** The shortest time between two rotations of a secret, in seconds, for tests and demos. Default: what its driver says */
  readonly rotationLeastSeconds?: number | undefined;
  /** How addresses that companies name are connected to. Default: those that are public, at port 443 */
  readonly outbound?: Outbound | undefined;
  /** How webhooks are verified, by the names in the catalogue, beside those of `webhookVerifiers`. */
  readonly verifiers?: WebhookVerifiers | undefined;
  /** How many requests one caller, company or address may send. */
  readonly limits?: RateLimitOptions | undefined;
  /** How much one company may store in the database. */
  readonly quotas?: QuotaOptions | undefined;
  /** For how many days events of the audit log are kept, at least 30. Default: forever */
  readonly auditRetentionDays?: number | undefined;
  /** For how long values of replaced versions, finished runs and deliveries are kept. Of several processes, the longest counts. */
  readonly retention?: RetentionOptions | undefined;
  /** Requests to Infisical a minute that mirrors of companies send, of migrations' budget; null: no limit. Default: 60 */
  readonly mirrorRequestsPerMinute?: number | null | undefined;
  /** The part of served values that are compared with Infisical, from 0 to 1, between `serve` and its `stop`. Default: 0.01 */
  readonly shadowSample?: number | undefined;
  /** How much of what was read is cached, and for how long, between `serve` and its `stop`. */
  readonly cache?: CacheOptions | undefined;
}

/** One company's secrets in the process that holds the keys. */
export interface CompanySecretsOnServer<C extends Catalog> extends CompanySecrets<C> {
  /**
   * Verifies that a webhook was signed with this secret, by any of its current versions. Audited as a use.
   *
   * @returns the version that it was signed with
   * @throws {TenantSecretsError} as `get`; UNAUTHENTICATED: the signature is wrong; NOT_SUPPORTED if the catalogue names no
   *   webhook scheme
   */
  verifyWebhook(secretKey: SecretKeyOf<C>, request: WebhookRequest): Promise<{ readonly version: number }>;
}

/** All parts, for the front door, benches and tests. */
export interface Assembly<C extends Catalog> extends Services {
  readonly catalog: C;
  /**
   * One company's secrets, typed by the catalogue. The company is resolved at each call, so a handle may be kept.
   *
   * @param as the caller: `systemCaller` for code of the product, or what `authenticate` returned
   */
  company(subdomain: string, as: Caller): CompanySecretsOnServer<C>;
  /**
   * Loads and checks the keys that every request needs, and makes the audit log's keys at the first start.
   *
   * @throws {TenantSecretsError} MASTER_KEY_MISSING, MASTER_KEY_MALFORMED, MASTER_KEY_WRONG: do not start;
   *   KEY_UNAVAILABLE, DATABASE_UNAVAILABLE: try again
   */
  prepare(): Promise<void>;
  /**
   * Tries whether Infisical grants this service the rights that it needs: see `tryInfisicalRights`.
   *
   * @returns a sentence for each right that is missing
   * @throws {TenantSecretsError} STORE_UNAVAILABLE, DATABASE_UNAVAILABLE: the trial failed
   */
  tryInfisicalRights(): Promise<readonly string[]>;
  /**
   * Commits the events that the audit log has accepted and not yet written. It does so by itself four times a second.
   *
   * @throws {TenantSecretsError} AUDIT_UNAVAILABLE: the events are kept for another try
   */
  flush(): Promise<void>;
  /**
   * For the end of the process, after the last call and before the database is closed: as `flush`, for up to ten seconds.
   * Later reads by services and jobs fail.
   */
  stop(): Promise<void>;
  /** Counters of this process. Cheap: can be read every few seconds. */
  measurements(): Measurements;
  /** Seals the audit log in batches. Each process that runs longer than a command has its own sealer. */
  createSealer(sealerOptions: SealerOptions): Sealer;
  /**
   * Joins the processes that serve this database: follows the registry of master keys, and listens for changes by other
   * processes. For processes that run longer than a command.
   *
   * @param listenerUrl of the role that may only connect
   * @param onAlarm receives problems for an operator, such as a wrong key in Infisical; the process continues
   */
  serve(listenerUrl: string, onAlarm: (error: TenantSecretsError) => void): Promise<ServingProcess>;
  /** The strategy's own helper, as a job that may use every secret. @returns undefined if there is no such secret */
  getTenantSecret(subdomain: string, secretKey: string): Promise<string | undefined>;
  /** The strategy's own helper, as a job that may write every secret. @throws {TenantSecretsError} as `set` does */
  setTenantSecret(subdomain: string, secretKey: string, value: string): Promise<WriteResult>;
}

/** What a replaced store is made with. */
export interface StoreParts {
  readonly audit: AuditLog;
  readonly stores: Readonly<Record<SecretStoreName, SecretStore>>;
}

/** Replacements of the product's own parts, for measurements and tests. */
export interface Replacements {
  readonly openAuditLog?: typeof createAuditLog;
  /** Replaced stores, by the `secretStore` of the companies that use them. */
  readonly replaceStores?: (parts: StoreParts) => Partial<StoreParts["stores"]>;
}
