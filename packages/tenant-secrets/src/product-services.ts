import type { CatalogDescription, TenantSecretsError } from "@repo/catalog";
import type { RateLimits } from "./access/rate-limits.ts";
import type { ApiKeys } from "./companies/api-keys.ts";
import type { Approvals } from "./companies/approvals.ts";
import type { Acceptance } from "./companies/acceptance.ts";
import type { Authenticate } from "./companies/authenticate.ts";
import type { Companies } from "./companies/companies.ts";
import type { Me } from "./companies/me.ts";
import type { Invitations } from "./companies/invitations.ts";
import type { Mailing } from "./companies/mailing.ts";
import type { Members } from "./companies/members.ts";
import type { Operators } from "./companies/operators.ts";
import type { CompanySettingsReader } from "./companies/company-settings.ts";
import type { Stamps } from "./companies/stamps.ts";
import type { ExternalKey } from "./keys/external/external-key.ts";
import type { SecondFactorRule } from "./companies/second-factor-rule.ts";
import type { Deletions } from "./keys/deletion/deletions.ts";
import type { Suspension } from "./companies/suspension.ts";
import type { SignInSteps } from "./companies/sign-in-steps.ts";
import type { Users } from "./companies/users.ts";
import type { KeyBackups } from "./keys/backup/backup.ts";
import type { CheckValues } from "./keys/check-values.ts";
import type { CompanyKeyRotation } from "./keys/company/rotation.ts";
import type { EmergencyRotation } from "./keys/rotation/emergency.ts";
import type { StoreBackup } from "./keys/backup/destination.ts";
import type { MasterKeyAge } from "./keys/master/master-key-age.ts";
import type { MasterKeyRegistry } from "./keys/master/master-key-registry.ts";
import type { KeyRotation } from "./keys/rotation/rotation.ts";
import type { SignInSecretStore } from "./keys/sign-in-secrets.ts";
import type { Shredding } from "./keys/shredding/shredding.ts";
import type { ImportLegacy } from "./migration/legacy/import.ts";
import type { Migrations } from "./migration/migrations.ts";
import type { Mirroring } from "./migration/mirror/mirroring.ts";
import type { AuditService } from "./audit/audit-service.ts";
import type { Health } from "./health/system-health.ts";
import type { DeliveryLog } from "./notifications/delivery-log.ts";
import type { Endpoints } from "./notifications/endpoints.ts";
import type { DeliveryMeasurements } from "./notifications/measurements.ts";
import type { RunningDeliveries } from "./notifications/worker.ts";
import type { OutsideSettlement } from "./stores/infisical/outside-settlement.ts";
import type { DueRotations } from "./rotation/begin.ts";
import type { RotationMeasurements } from "./rotation/measure.ts";
import type { RotateCompromised } from "./rotation/compromise.ts";
import type { EndOrphan } from "./rotation/orphans.ts";
import type { PeopleInRotations } from "./rotation/people.ts";
import type { Policies } from "./rotation/policies.ts";
import type { RotationLists } from "./rotation/rotation-lists.ts";
import type { CompanyRegions } from "./regions/company-regions.ts";
import type { RunningBeats } from "./regions/beats.ts";
import type { RegionStatusReader } from "./regions/region-status.ts";
import type { Adoption } from "./regions/adoption.ts";
import type { RegionReceipts } from "./regions/receipts.ts";
import type { Moves } from "./regions/moves/moves.ts";
import type { Regions } from "./regions/regions.ts";
import type { RegionVerification } from "./regions/verification/verification.ts";
import type { RunControl } from "./runs/run-control.ts";
import type { SecretMaintenance } from "./jobs/maintenance.ts";
import type { RetentionJobs } from "./jobs/retention-jobs.ts";
import type { SearchValues } from "./vault/search.ts";
import type { Exports } from "./vault/exports.ts";
import type { Vault } from "./vault/vault.ts";

/** What does the work behind procedures and commands. Each checks its caller and writes to the audit log by itself. */
export interface Services {
  readonly authenticate: Authenticate;
  /** The same for every caller, and about no company: it is not audited. */
  readonly describeCatalog: () => CatalogDescription;
  readonly limits: RateLimits;
  readonly companies: Companies;
  readonly suspension: Suspension;
  readonly deletions: Deletions;
  readonly secondFactorRule: SecondFactorRule;
  readonly externalKey: ExternalKey;
  readonly companySettings: CompanySettingsReader;
  readonly stamps: Pick<Stamps, "get">;
  readonly apiKeys: ApiKeys;
  readonly members: Members;
  readonly invitations: Invitations;
  readonly acceptance: Acceptance;
  /** Undefined where this deployment sends no mail. */
  readonly mailing: Mailing | undefined;
  /** Whether the headers of a request are of a person who has signed in. */
  readonly isSignedIn: (headers: Headers) => Promise<boolean>;
  readonly users: Users;
  readonly signInSteps: SignInSteps;
  readonly me: Me;
  readonly operators: Operators;
  readonly regions: Regions;
  readonly regionReceipts: RegionReceipts;
  readonly adoption: Adoption;
  readonly companyRegions: CompanyRegions;
  readonly regionVerification: RegionVerification;
  readonly regionStatus: RegionStatusReader;
  /** Tells other regions that this one is there, from this process, until it is told to stop. */
  readonly startBeats: (onError: (error: TenantSecretsError) => void) => RunningBeats;
  readonly moves: Moves;
  readonly approvals: Approvals;
  readonly masterKeys: MasterKeyRegistry;
  readonly masterKeyAge: MasterKeyAge;
  readonly signInSecrets: SignInSecretStore;
  readonly keyRotation: KeyRotation;
  readonly keyBackups: KeyBackups;
  readonly storeBackup: StoreBackup;
  readonly checkValues: CheckValues;
  readonly companyKeyRotation: CompanyKeyRotation;
  readonly runs: RunControl;
  readonly rotation: Policies &
    RotationLists & {
      readonly rotateCompromised: RotateCompromised;
      readonly endOrphan: EndOrphan;
      readonly people: PeopleInRotations;
      /** For metrics. */
      readonly measure: () => Promise<RotationMeasurements>;
      /** Starts the rotations that are due, and continues those that may have to fall back. For a job. */
      readonly startDue: (
        signal: AbortSignal,
      ) => Promise<DueRotations & { readonly woken: number; readonly reminded: number }>;
    };
  readonly webhooks: Endpoints & { readonly deliveries: DeliveryLog };
  /** Sends notifications in this process, until it is told to stop. `onClockOff`: its clock is not the database's. */
  readonly startDeliveries: (
    onError: (error: TenantSecretsError) => void,
    onClockOff?: (error: TenantSecretsError) => void,
  ) => RunningDeliveries;
  /** By how many seconds the clock of this process is ahead of the database's. For metrics. */
  readonly measureClock: () => Promise<number>;
  /** How far deliveries are behind, and the endpoints by their state. */
  readonly measureDeliveries: () => Promise<DeliveryMeasurements>;
  readonly system: Health;
  readonly emergencyRotation: EmergencyRotation;
  readonly shredding: Shredding;
  readonly vault: Vault;
  readonly exports: Exports;
  readonly maintenance: SecretMaintenance;
  readonly outsideSettlement: OutsideSettlement;
  readonly searchValues: SearchValues;
  readonly importLegacy: ImportLegacy;
  readonly migrations: Migrations;
  readonly mirroring: Mirroring;
  readonly audit: AuditService;
  readonly retention: RetentionJobs;
}
