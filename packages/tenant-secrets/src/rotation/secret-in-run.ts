import {
  checkValueText,
  type CompanyId,
  lastFourOf,
  systemCaller,
  type Caller,
  type Catalog,
  type RotationCanary,
  TenantSecretsError,
} from "@repo/catalog";
import type { Canary } from "@repo/db";
import { Plaintext } from "@repo/envelope";
import type { Company, CompanyScope } from "../companies/companies.ts";
import type { CompanyRows } from "../companies/company-rows.ts";
import { companyById } from "../migration/company-by-id.ts";
import type { Position } from "../runs/lease.ts";
import type { DatabaseStore } from "../stores/database/port.ts";
import { beginCanary } from "../stores/database/canary.ts";
import { openOtherVersion } from "../stores/database/earlier-version.ts";
import type { GrowingParts } from "../stores/database/quotas.ts";
import { createStages } from "../stores/database/stages.ts";
import { createWrites } from "../stores/database/writes.ts";
import type { Vault } from "../vault/vault.ts";
import type { RotationInput, RotationStep } from "./rotation-state.ts";

/** What a rotation needs of the rest of the product to read and to change a secret. */
export interface SecretParts extends GrowingParts {
  readonly catalog: Catalog;
  readonly rows: Pick<CompanyRows, "findById" | "ownRegion">;
  readonly vault: Pick<Vault, "open">;
  readonly databaseStore: Pick<DatabaseStore, "findHead">;
}

/** The caller of a run: it uses and changes the secret and its manager, and nothing else. Its events have the run's id as request id. */
export function rotationCaller({ secretKey, managerKey }: RotationInput, run: string): Caller {
  const secretKeys = managerKey === null ? [secretKey] : [secretKey, managerKey];
  return { ...systemCaller("rotation", { verbs: ["use", "write", "rotate"], secretKeys }), requestId: run };
}

/** The secret of a run. Its changes check the run's fencing token in their transactions. */
export interface SecretInRun {
  readonly company: Company;
  /** @returns undefined where the secret has no current value */
  head(): Promise<
    | {
        readonly currentVersion: number;
        readonly pendingVersion: number | null;
        /** Null where no share of the uses begins with the pending value, or one was refused. */
        readonly canary: Canary | null;
      }
    | undefined
  >;
  /** The current value, audited. The caller wipes it. @returns undefined where there is none */
  openCurrent(): Promise<{ readonly plaintext: Plaintext; readonly version: number } | undefined>;
  /** The current value of another secret of the company. @throws {TenantSecretsError} NOT_FOUND */
  openManager(secretKey: string): Promise<Plaintext>;
  /** The value of a version that is not current. The caller wipes it. @returns undefined where it is destroyed */
  openOther(version: number): Promise<Plaintext | undefined>;
  /**
   * Stores the next value as the pending version, and the position with it.
   *
   * @throws {TenantSecretsError} INVALID_VALUE; CONFLICT where another version is pending, or current
   */
  stage(made: NewValue, at: Position): Promise<number>;
  /** Stores the next value as the current version. @throws {TenantSecretsError} as `stage` */
  write(made: NewValue, at: Position): Promise<number>;
  /** Lets a share of the uses begin with the pending value. @throws {TenantSecretsError} CONFLICT */
  beginCanary(versions: Replacement, canary: RotationCanary, at: Position): Promise<void>;
  /** @throws {TenantSecretsError} CONFLICT */
  promote(versions: Replacement, graceSeconds: number): Promise<void>;
  /** @throws {TenantSecretsError} CONFLICT */
  discard(pendingVersion: number): Promise<void>;
  /** Makes the value of an earlier version current again, as a new version. @throws {TenantSecretsError} CONFLICT, NOT_FOUND */
  rollback(versions: { readonly from: number; readonly to: number }, at: Position): Promise<void>;
}

interface NewValue {
  readonly plaintext: Plaintext;
  /** The current version; 0 for none. */
  readonly expectedVersion: number;
  readonly expiresAt: Date | undefined;
}

interface Replacement {
  readonly currentVersion: number;
  readonly pendingVersion: number;
}

/** @throws {TenantSecretsError} NOT_FOUND, COMPANY_SUSPENDED; NOT_SUPPORTED for a company on Infisical */
export async function secretInRun(parts: SecretParts, step: RotationStep): Promise<SecretInRun> {
  const { companyId, secretKey } = step.input;
  const company = await companyById(parts.rows, companyId);
  if (company.secretStore === "infisical") {
    throw new TenantSecretsError("NOT_SUPPORTED", "Secrets in Infisical have no versions to rotate.");
  }
  const scope: CompanyScope = { company, caller: step.caller };
  /** The parts of the store whose transactions begin with the check of the fencing token. */
  const fenced = (at: Position = {}): GrowingParts => ({
    ...parts,
    database: {
      ...parts.database,
      inCompany: (id, work) => step.commitIn(sameCompany(company, id), work, at),
    },
  });
  const writeOf = ({ plaintext, expectedVersion, expiresAt }: NewValue) => {
    const text = plaintext.reveal();
    checkValueText(parts.catalog, secretKey, text);
    return {
      secretKey,
      plaintext,
      lastFour: lastFourOf(parts.catalog.get(secretKey), text),
      options: { expectedVersion, expiresAt: expiresAt ?? null, note: "Made by a rotation." },
    };
  };
  const open = async (key: string) => {
    const { bytes, version } = await parts.vault.open(scope, { secretKey: key });
    return { plaintext: new Plaintext(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)), version };
  };

  return {
    company,
    head: async () => {
      const found = await parts.databaseStore.findHead(company, secretKey);
      if (found.state !== "present") return undefined;
      const { currentVersion, pendingVersion, canary } = found.secret;
      return currentVersion === null ? undefined : { currentVersion, pendingVersion, canary };
    },
    openCurrent: () =>
      open(secretKey).catch((error: unknown) => {
        if (error instanceof TenantSecretsError && error.code === "NOT_FOUND") return undefined;
        throw error;
      }),
    openManager: async (managerKey) => (await open(managerKey)).plaintext,
    openOther: (version) => openOther(parts, scope, { secretKey, version }),
    stage: async (made, at) => (await createWrites(fenced(at)).versions.stage(scope, writeOf(made))).version,
    write: async (made, at) => (await createWrites(fenced(at)).write(scope, writeOf(made))).version,
    beginCanary: (versions, canary, at) =>
      beginCanary(fenced(at), scope, { secretKey, ...versions, ...canary }),
    promote: async ({ currentVersion: expectedVersion, pendingVersion }, graceSeconds) => {
      await createStages(fenced()).promote(scope, {
        secretKey,
        expectedVersion,
        pendingVersion,
        graceSeconds,
      });
    },
    discard: async (pendingVersion) => {
      await createStages(fenced()).discard(scope, { secretKey, pendingVersion });
    },
    rollback: async ({ from: expectedVersion, to: toVersion }, at) => {
      const note = `As version ${toVersion}: the rotation fell back.`;
      await createStages(fenced(at)).rollback(scope, { secretKey, toVersion, expectedVersion, note });
    },
  };
}

/** The value of a version that is not current, audited. The caller wipes it. @returns undefined where it is destroyed */
export async function openOther(
  parts: Pick<SecretParts, "database" | "companyKeys" | "audit">,
  { company, caller }: CompanyScope,
  { secretKey, version }: { readonly secretKey: string; readonly version: number },
): Promise<Plaintext | undefined> {
  const plaintext = await openOtherVersion(parts, company, { secretKey, version });
  if (plaintext !== undefined) {
    const read = {
      action: "secret.read",
      outcome: "success",
      companyId: company.id,
      secretKey,
      version,
    } as const;
    await parts.audit.recordBatched(caller, read);
  }
  return plaintext;
}

/** A store names the company of the scope that it was given. */
function sameCompany({ id }: Company, named: string): CompanyId {
  if (named !== id) throw new Error("a run changes secrets of its own company");
  return id;
}
