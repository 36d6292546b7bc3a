import {
  checkValueText,
  lastFourOf,
  type InputOf,
  type StageOptions,
  type VaultOperations,
  vaultOperations,
  type WriteOptions,
} from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { permits, refusal } from "../access/permissions.ts";
import { generateValue } from "../providers/value-schemes.ts";
import type { CompanyScope } from "../companies/companies.ts";
import { batchError, checkBatch, refusalOf } from "../stores/batch.ts";
import { supported } from "../stores/capabilities.ts";
import type { BatchWrite, SecretStore } from "../stores/store.ts";
import {
  checkInput,
  recordFailures,
  type Authorize,
  type VaultHandlers,
  type VaultParts,
} from "./authorize.ts";

type WritingOperation = VaultOperations["write"] | VaultOperations["stage"];
type OneWrite = Omit<BatchWrite, "options"> & { readonly options: WriteOptions & StageOptions };

/** Operations that write values. */
export function createWrites(
  { catalog }: VaultParts,
  authorize: Authorize,
): Pick<VaultHandlers, "write" | "generate" | "writeMany" | "stage"> {
  const plain = <Options>({
    secretKey,
    value,
    ...options
  }: Options & { secretKey: string; value: string }) => ({
    secretKey,
    plaintext: Plaintext.fromText(value),
    lastFour: lastFourOf(catalog.get(secretKey), value),
    options,
  });

  /** Validates one value and passes it to the store, zeroing it afterwards. */
  const put = <D extends WritingOperation, Result>(
    {
      operation,
      scope,
      input,
    }: { readonly operation: D; readonly scope: CompanyScope; readonly input: InputOf<D> },
    keep: (scope: CompanyScope, store: SecretStore, write: OneWrite) => Promise<Result>,
  ): Promise<Result> =>
    authorize({ operation, scope, secretKey: input.secretKey }, async (current, store) => {
      checkInput(operation, input);
      checkValueText(catalog, input.secretKey, input.value);
      const write = plain(input);
      try {
        return await keep(current, store, write);
      } finally {
        write.plaintext.wipe();
      }
    });

  return {
    write: (scope, input) =>
      put({ operation: vaultOperations.write, scope, input }, (current, store, write) =>
        store.write(current, write),
      ),

    generate: (scope, input) => {
      const { secretKey } = input;
      return authorize({ operation: vaultOperations.generate, scope, secretKey }, async (current, store) => {
        checkInput(vaultOperations.generate, input);
        const write = plain({ ...input, value: generateValue(catalog, secretKey) });
        try {
          return await store.write(current, { ...write, isGenerated: true });
        } finally {
          write.plaintext.wipe();
        }
      });
    },

    stage: (scope, input) =>
      put({ operation: vaultOperations.stage, scope, input }, (current, store, write) =>
        supported(store, "versions").stage(current, write),
      ),

    writeMany: (scope, input) =>
      authorize({ operation: vaultOperations.writeMany, scope }, (current, store, steps) => {
        const { caller, company } = current;
        return recordFailures(steps, async () => {
          checkBatch(input.writes.map(({ secretKey }) => secretKey));
          checkInput(vaultOperations.writeMany, input);
          // An invalid secret key may be a value: its entry is refused without naming it.
          for (const { secretKey } of input.writes) catalog.get(secretKey);
          const [first, ...others] = input.writes.flatMap(({ secretKey, value }) =>
            refusalOf(secretKey, () => {
              if (!permits(caller.actor, "write", { companyId: company.id, secretKey })) {
                throw refusal(caller.actor, "write", secretKey);
              }
              checkValueText(catalog, secretKey, value);
            }),
          );
          if (first !== undefined) throw batchError([first, ...others]);
          const writes: readonly BatchWrite[] = input.writes.map(plain);
          try {
            const { requestId } = input;
            return await supported(store, "batches").writeMany(current, { writes, requestId });
          } finally {
            for (const { plaintext } of writes) plaintext.wipe();
          }
        });
      }),
  };
}
