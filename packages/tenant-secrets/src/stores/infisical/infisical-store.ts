import { survivesInfisical, type InfisicalClient } from "@repo/infisical";
import {
  type Caller,
  type Capabilities,
  checkFoundText,
  notFound,
  SecretKey,
  TenantSecretsError,
} from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import type { Company } from "../../companies/companies.ts";
import { createFolderReader } from "./batched-reads.ts";
import { onInfisical } from "./infisical-errors.ts";
import type { OutsideWrites } from "./outside-writes.ts";
import { sealedHere } from "../encrypted-secret.ts";
import type { SecretStore } from "../store.ts";

const capabilities: Capabilities = {
  conditionalWrites: false,
  requestIds: false,
  recovery: false,
  notes: false,
  surroundingWhiteSpace: false,
  history: false,
  stages: false,
  rollback: false,
  purge: false,
  bulk: false,
  expiry: false,
  checks: false,
};

export interface InfisicalStore extends SecretStore {
  /** Whether a company's folder has a secret, whatever its value is. @throws {TenantSecretsError} what the store's servers cause */
  has(company: Company, secretKey: string): Promise<boolean>;
  /**
   * Deletes a secret in the company's folder, whichever store the company has.
   *
   * @throws {TenantSecretsError} NOT_FOUND, and what the store's servers cause
   */
  erase(company: Company, secretKey: string, caller: Caller): Promise<void>;
}

/** Strategy A: a folder for each company, `/tenants/<folder>`. */
export function createInfisicalStore(
  infisical: InfisicalClient,
  outsideWrites: OutsideWrites,
): InfisicalStore {
  const readValue = createFolderReader(infisical);

  const find: SecretStore["find"] = async (company, secretKey) => {
    const secret = await onInfisical(() => readValue(pathOf(company), secretKey));
    if (secret === undefined) return undefined;
    checkFoundText(secretKey, secret.value);
    const plaintext = Plaintext.fromText(secret.value);
    try {
      return sealedHere({ companyId: company.id, secretKey, version: secret.version }, plaintext);
    } finally {
      plaintext.wipe();
    }
  };

  const list: SecretStore["list"] = async (company) => {
    const secrets = await onInfisical(() => infisical.listSecretSummaries(pathOf(company)));
    return secrets
      .map(({ secretKey, version, createdAt, updatedAt }) => ({
        secretKey,
        version,
        place: "infisical" as const,
        hint: undefined,
        fingerprint: undefined,
        createdAt,
        updatedAt,
        // Nobody put it there through us. It is shown, since somebody may take it for one of the company's secrets.
        ...(SecretKey.safeParse(secretKey).success ? {} : { usable: false as const }),
      }))
      .toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
  };

  const has: InfisicalStore["has"] = (company, secretKey) =>
    onInfisical(async () => (await infisical.findSecret(pathOf(company), secretKey)) !== undefined);

  const erase: InfisicalStore["erase"] = (company, secretKey, caller) =>
    onInfisical(async () => {
      await outsideWrites.run(company, { action: "secret.remove", secretKey }, caller, async () => {
        if (!(await infisical.deleteSecret(pathOf(company), secretKey))) throw notFound();
        return {};
      });
    });

  return {
    name: "infisical",
    capabilities,
    has,
    erase,
    find,

    findLive: async (company, secretKey) => {
      const sealed = await find(company, secretKey);
      return sealed && [{ stage: "current", sealed }];
    },

    list,
    listReachable: async (company) => ({ secrets: await list(company) }),

    write: async (company, { secretKey, plaintext, options }, caller) => {
      refuseUnsupported(options.expectedVersion !== undefined, "a conditional write", "expectedVersion");
      refuseUnsupported(options.requestId !== undefined, "a request id", "requestId");
      refuseUnsupported(options.note !== undefined, "a note", "note");
      refuseUnsupported((options.graceSeconds ?? 0) > 0, "a grace window", "graceSeconds");
      refuseUnsupported(options.endGrace === true, "a grace window", "endGrace");
      refuseUnsupported(options.expiresAt != null, "an expiry", "expiresAt");
      refuseUnsupported(options.reminderDays !== undefined, "an expiry", "reminderDays");
      const value = plaintext.reveal();
      if (!survivesInfisical(value)) {
        throw new TenantSecretsError(
          "INVALID_VALUE",
          `The value of ${secretKey} was refused: it begins or ends with white space, which Infisical cuts off. Companies on the hybrid or database store can have such a value.`,
        );
      }
      const { version } = await onInfisical(() =>
        outsideWrites.run(company, { action: "secret.write", secretKey, plaintext }, caller, async () => {
          const put = await infisical.putSecret(pathOf(company), secretKey, value, { replacesTwins: true });
          return { version: put.version, ...(put.replacedTwins && { reason: "TWINS_REPLACED" as const }) };
        }),
      );
      return { version };
    },

    remove: async (company, secretKey, options, caller) => {
      refuseUnsupported(options.expectedVersion !== undefined, "a conditional removal", "expectedVersion");
      refuseUnsupported(options.requestId !== undefined, "a request id", "requestId");
      await erase(company, secretKey, caller);
      return { recoverUntil: undefined };
    },

    restore: () => Promise.reject(unsupported("a restoration")),
    history: () => Promise.reject(unsupported("a history")),
    writeMany: () => Promise.reject(unsupported("a write of several secrets at once")),
    stage: () => Promise.reject(unsupported("a staged value")),
    promote: () => Promise.reject(unsupported("a staged value")),
    discard: () => Promise.reject(unsupported("a staged value")),
    rollback: () => Promise.reject(unsupported("a rollback")),
    purge: () => Promise.reject(unsupported("a purge")),
    setExpiry: () => Promise.reject(unsupported("an expiry")),
    keepCheck: () => Promise.reject(unsupported("a kept check")),
    // Its list has no place for it.
    noteUse: () => {},
  };
}

function pathOf(company: Company): string {
  return `/tenants/${company.infisicalFolder}`;
}

/** @param field of the request that asks for it */
function refuseUnsupported(asked: boolean, what: string, field: string): void {
  if (asked) throw unsupported(what, field);
}

function unsupported(what: string, field?: string): TenantSecretsError {
  const named = field === undefined ? what : `${what} (${field})`;
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    `This company's secrets live in Infisical, which cannot do ${named}. Leave it out: only companies on the hybrid or database store have that.`,
    field === undefined ? {} : { fields: [field] },
  );
}
