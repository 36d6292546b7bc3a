import { randomUUID } from "node:crypto";
import {
  type Catalog,
  type ExportedSecrets,
  type InputOf,
  type VaultOperations,
  vaultOperations,
} from "@repo/catalog";
import { writeEnvFile, writeJsonFile } from "@repo/catalog/file-formats";
import type { SigningKey } from "@repo/audit-log";
import { tables } from "@repo/db";
import { clockMs } from "../access/clock.ts";
import { audited, type EventDetails, type Steps } from "../access/operation.ts";
import { covers } from "../access/permissions.ts";
import type { CompanyScope } from "../companies/companies.ts";
import { encryptToRecipients } from "../keys/age-recipients.ts";
import type { SignedReceipt } from "../runs/signed-receipt.ts";
import type { SecretStore, StoredSecret } from "../stores/store.ts";
import { checkInput, type Authorize, type VaultHandlers, type VaultParts } from "./authorize.ts";
import { type ExportFacts, measureFile, patternsOf, signExport } from "./export-receipt.ts";
import { readBatches, wipe } from "./read-values.ts";

const { exportReceipts } = tables;

export interface ExportParts extends VaultParts {
  readonly loadSigningKey: () => Promise<SigningKey>;
}

type ExportInput = InputOf<VaultOperations["export"]>;
type LeftOut = ExportedSecrets["leftOut"];

/** Exports many secrets as one file: in the clear, or encrypted to recipients, with a signed receipt that is kept. */
export function createExport(parts: ExportParts, authorize: Authorize): Pick<VaultHandlers, "export"> {
  const { catalog, loadSigningKey, ownRegion } = parts;

  /** Encrypts a file. Its receipt is committed with the events of its secrets, before any of it is answered. */
  const handOver = async (
    { caller: { actor }, company }: CompanyScope,
    steps: Steps,
    plain: PlainFile & Pick<ExportInput, "purpose" | "format"> & { readonly recipients: readonly string[] },
  ): Promise<{ readonly file: string; readonly receipt: SignedReceipt }> => {
    const { text, secrets, leftOut, purpose, format, recipients } = plain;
    const bytes = Buffer.from(text, "utf8");
    const file = await encryptToRecipients(bytes, recipients).finally(() => bytes.fill(0));
    const facts: ExportFacts = {
      company: { id: company.id, subdomain: company.subdomain },
      region: ownRegion,
      exportedBy: `${actor.kind} ${actor.id}`,
      purpose,
      secretKeys: patternsOf(actor),
      recipients: [...recipients],
      file: { format, ...measureFile(file) },
      secrets: [...secrets],
      leftOut: [...leftOut],
    };
    // Loaded before the transaction, which would otherwise wait for it.
    const signingKey = await loadSigningKey();
    const id = randomUUID();
    const receipt = await steps.commitInCompany(async (statements) => {
      const exportedAt = new Date(await clockMs(statements));
      const signed = signExport({ ...facts, id, exportedAt: exportedAt.toISOString() }, signingKey);
      await statements.insert(exportReceipts).values({ companyId: company.id, id, exportedAt, ...signed });
      return audited(signed, eventsOf(plain, id));
    });
    return { file, receipt };
  };

  return {
    export: (scope, input) =>
      authorize({ operation: vaultOperations.export, scope }, async (current, store, steps) => {
        checkInput(vaultOperations.export, input);
        const { format, purpose, recipients } = input;
        const { values, leftOut } = await readAll(current, store, catalog);
        try {
          const entries = values.map(([secretKey, { plaintext }]) => ({
            secretKey,
            text: plaintext.reveal(),
          }));
          const text = format === "env" ? writeEnvFile(entries) : writeJsonFile(entries);
          const secrets = values.map(([secretKey, { version }]) => ({ secretKey, version }));
          const answer = { secretKeys: secrets.map(({ secretKey }) => secretKey), leftOut };
          const plain = { text, secrets, leftOut, purpose, format };
          if (recipients !== undefined)
            return { ...(await handOver(current, steps, { ...plain, recipients })), ...answer };
          await steps.recordTogether(eventsOf(plain));
          return { file: text, ...answer };
        } finally {
          wipe(new Map(values));
        }
      }),
  };
}

interface PlainFile {
  readonly text: string;
  readonly secrets: readonly { readonly secretKey: string; readonly version: number }[];
  readonly leftOut: LeftOut;
}

/** One for each secret. An export without secrets is audited too. */
function eventsOf(
  { secrets, purpose }: Pick<PlainFile, "secrets"> & Pick<ExportInput, "purpose">,
  receiptId?: string,
): readonly EventDetails[] {
  const every: EventDetails = { reason: purpose, subject: receiptId };
  return secrets.length === 0 ? [every] : secrets.map((secret) => ({ ...secret, ...every }));
}

/** All values that the caller may have, by secret key. The caller wipes them. */
async function readAll(
  { caller, company }: CompanyScope,
  store: SecretStore,
  catalog: Catalog,
): Promise<{ readonly values: readonly (readonly [string, StoredSecret])[]; readonly leftOut: LeftOut }> {
  const { secrets, unreachable } = await store.list(company);
  if (unreachable !== undefined) throw unreachable;
  const covered = secrets
    .map(({ secretKey }) => secretKey)
    .filter((secretKey) => covers(caller.actor, secretKey));
  const leftOut = covered.flatMap((secretKey): LeftOut => {
    const entry = catalog.find(secretKey);
    if (entry === undefined) return [{ secretKey, reason: "not-in-catalogue" }];
    return entry.writeOnly ? [{ secretKey, reason: "write-only" }] : [];
  });
  const withheld = new Set(leftOut.map(({ secretKey }) => secretKey));
  const unusable: string[] = [];
  const found = await readBatches(store, company, {
    secretKeys: covered.filter((secretKey) => !withheld.has(secretKey)),
    onUnusable: (secretKey) => unusable.push(secretKey),
  });
  return {
    values: [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    leftOut: [
      ...leftOut,
      ...unusable.map((secretKey) => ({ secretKey, reason: "unusable" as const })),
    ].toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1)),
  };
}
