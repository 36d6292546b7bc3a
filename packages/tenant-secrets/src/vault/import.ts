import { z } from "zod";
import {
  type Actor,
  type ComparedEntry,
  lastFourOf,
  malformedInput,
  maxBatchSecrets,
  TenantSecretsError,
  UnreadEntry,
  vaultOperations,
} from "@repo/catalog";
import { type Comparison, type FileEntry, planImport, type PlannedEntry } from "@repo/catalog/file-formats";
import { Plaintext, sameBytes } from "@repo/envelope";
import type { EventDetails } from "../access/operation.ts";
import { permits, refusal } from "../access/permissions.ts";
import type { Company } from "../companies/companies.ts";
import { supported } from "../stores/capabilities.ts";
import type { BatchWrite, SecretStore, StoredSecret } from "../stores/store.ts";
import { checkInput, type Authorize, type VaultHandlers, type VaultParts } from "./authorize.ts";
import { readBatches, wipe } from "./read-values.ts";

type ImportHandlers = Pick<VaultHandlers, "planImport" | "import">;

/** Imports many secrets as one file. The file's entries are validated here, after the permission check. */
export function createImport({ catalog }: VaultParts, authorize: Authorize): ImportHandlers {
  return {
    planImport: (scope, input) =>
      authorize(
        { operation: vaultOperations.planImport, scope },
        async ({ caller, company }, store, steps) => {
          const entries = readEntries(store, input.entries);
          const readable = entries
            .map(({ secretKey }) => secretKey)
            .filter((secretKey) => catalog.find(secretKey) && mayWrite(caller.actor, company, secretKey));
          const current = await readBatches(store, company, { secretKeys: [...new Set(readable)] });
          try {
            const planned = planImport(catalog, entries, (secretKey, text) => {
              checkGrant(caller.actor, company, secretKey);
              return compare(current.get(secretKey), text);
            });
            const compared = planned.map((entry): ComparedEntry => {
              if (entry.change !== "refused")
                return { ...entry, version: current.get(entry.secretKey)?.version ?? 0 };
              const { error, ...refused } = entry;
              return { ...refused, reason: error.code, message: error.message };
            });
            await steps.recordTogether(compared.map(eventOf));
            return compared;
          } finally {
            wipe(current);
          }
        },
      ),

    import: (scope, input) =>
      authorize({ operation: vaultOperations.import, scope }, async (current, store) => {
        const { caller, company } = current;
        const { expected, skipRefused = false, requestId, note } = input;
        const entries = readEntries(store, input.entries);
        checkInput(vaultOperations.import, input);
        const versions = new Map(expected.map(({ secretKey, version }) => [secretKey, version]));
        const planned = planImport(catalog, entries, (secretKey) => {
          checkGrant(caller.actor, company, secretKey);
          return versions.has(secretKey) ? "different" : "same";
        });
        if (!skipRefused) refuseRefused(planned);
        const chosen = new Set(
          planned.flatMap((entry) => (entry.change === "changed" ? [entry.secretKey] : [])),
        );
        if (chosen.size < expected.length) throw otherFile();
        if (chosen.size === 0) return { written: [] };
        const writes = entries
          .filter((entry, i) => chosen.has(entry.secretKey) && isFirst(entries, entry, i))
          .map(({ secretKey, text }): BatchWrite => ({
            secretKey,
            plaintext: Plaintext.fromText(text),
            lastFour: lastFourOf(catalog.get(secretKey), text),
            options: { expectedVersion: versions.get(secretKey), note },
          }));
        try {
          return { written: await supported(store, "batches").writeMany(current, { writes, requestId }) };
        } finally {
          for (const { plaintext } of writes) plaintext.wipe();
        }
      }),
  };
}

function readEntries(store: SecretStore, unread: readonly unknown[]): readonly FileEntry[] {
  supported(store, "batches");
  if (unread.length > maxBatchSecrets) {
    throw new TenantSecretsError(
      "INVALID_INPUT",
      `The file was refused: it has ${unread.length} secrets, and an import takes at most ${maxBatchSecrets}, all or none. Divide it.`,
    );
  }
  const entries = z.strictObject({ entries: z.array(UnreadEntry) }).safeParse({ entries: unread });
  if (!entries.success) throw malformedInput(entries.error);
  return entries.data.entries;
}

function mayWrite(actor: Actor, company: Company, secretKey: string): boolean {
  return permits(actor, "write", { companyId: company.id, secretKey });
}

function checkGrant(actor: Actor, company: Company, secretKey: string): void {
  if (!mayWrite(actor, company, secretKey)) throw refusal(actor, "write", secretKey);
}

function compare(stored: StoredSecret | undefined, text: string): Comparison {
  if (stored === undefined) return "absent";
  const value = Plaintext.fromText(text);
  try {
    return sameBytes(value.bytes, stored.plaintext.bytes) ? "same" : "different";
  } finally {
    value.wipe();
  }
}

function eventOf(entry: ComparedEntry): EventDetails {
  const { secretKey } = entry;
  if (entry.change !== "refused") return { secretKey, version: entry.version };
  const { reason } = entry;
  const outcome = reason === "NOT_FOUND" || reason === "FORBIDDEN" ? "denied" : "failed";
  return { secretKey, outcome, reason };
}

function refuseRefused(planned: readonly PlannedEntry[]): void {
  const refused = planned.flatMap((entry) => (entry.change === "refused" ? [entry] : []));
  const first = refused.toSorted((a, b) => a.line - b.line)[0];
  if (first === undefined) return;
  throw new TenantSecretsError(
    first.error.code,
    `Nothing was written: ${refused.length} of the file's secrets are refused, the first at line ${first.line}: ${first.error.message}`,
  );
}

/** Refuses all but the first entry of a duplicate secret key. */
function isFirst(entries: readonly FileEntry[], { secretKey }: FileEntry, i: number): boolean {
  return entries.findIndex((each) => each.secretKey === secretKey) === i;
}

function otherFile(): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    "Nothing was written: the plan has secrets that this file lacks, or that are refused. Plan the import again.",
  );
}
