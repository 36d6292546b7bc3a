import {
  type BatchOptions,
  type BatchWriteResult,
  checkValueText,
  lastFourOf,
  type SetResult,
  type StageOptions,
  type TextWrite,
  type WriteOptions,
  type WriteResult,
} from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { permits, refusal } from "../access/permissions.ts";
import type { CompanyScope } from "../companies/companies.ts";
import { batchError, checkBatch, refusalOf } from "../stores/batch.ts";
import { supported } from "../stores/capabilities.ts";
import type { BatchWrite, SecretStore } from "../stores/store.ts";
import { recordFailures, type Gate, type Task, type VaultParts } from "./authorize.ts";
import { checkOptions } from "./options.ts";

/** What brings values in. */
export interface Writes {
  write(scope: CompanyScope, secretKey: string, text: string, options: WriteOptions): Promise<SetResult>;
  /** As `write`, of 1 to 100 secrets: all of them, or none. @throws {TenantSecretsError} as `write`, with `failures` */
  writeMany(
    scope: CompanyScope,
    writes: readonly TextWrite[],
    options: BatchOptions,
  ): Promise<readonly BatchWriteResult[]>;
  stage(scope: CompanyScope, secretKey: string, text: string, options: StageOptions): Promise<WriteResult>;
}

type OneWrite<Options> = Omit<BatchWrite, "options"> & { readonly options: Options };

export function createWrites({ catalog }: VaultParts, gate: Gate): Writes {
  const plain = <Options>(secretKey: string, text: string, options: Options): OneWrite<Options> => ({
    secretKey,
    plaintext: Plaintext.fromText(text),
    lastFour: lastFourOf(catalog.get(secretKey), text),
    options,
  });

  const check = (secretKey: string, text: string, options: StageOptions & WriteOptions): void => {
    checkValueText(catalog, secretKey, text);
    checkOptions(options);
  };

  /** Checks one value, and hands it over for as long as it takes to keep it. */
  const put = <Options extends StageOptions & WriteOptions, Result>(
    task: Omit<Task, "verb" | "secretKey"> & { readonly secretKey: string },
    text: string,
    options: Options,
    keep: (scope: CompanyScope, store: SecretStore, write: OneWrite<Options>) => Promise<Result>,
  ): Promise<Result> =>
    gate({ ...task, verb: "write" }, async (scope, store) => {
      check(task.secretKey, text, options);
      const write = plain(task.secretKey, text, options);
      try {
        return await keep(scope, store, write);
      } finally {
        write.plaintext.wipe();
      }
    });

  return {
    write: (resolved, secretKey, text, options) =>
      put({ scope: resolved, secretKey, action: "secret.write" }, text, options, (scope, store, write) =>
        store.write(scope, write),
      ),

    stage: (resolved, secretKey, text, options) =>
      put({ scope: resolved, secretKey, action: "secret.stage" }, text, options, (scope, store, write) =>
        supported(store, "versions").stage(scope, write),
      ),

    writeMany: (resolved, texts, options) =>
      gate({ scope: resolved, verb: "write", action: "secret.write" }, ({ caller, company }, store, steps) =>
        recordFailures(steps, async () => {
          checkOptions(options);
          checkBatch(texts.map(({ secretKey }) => secretKey));
          // A text that is no secret key may be a value: it is refused alone, and not named.
          for (const { secretKey } of texts) catalog.get(secretKey);
          const [first, ...others] = texts.flatMap(({ secretKey, value, ...each }) =>
            refusalOf(secretKey, () => {
              if (!permits(caller.actor, "write", company.id, secretKey)) {
                throw refusal(caller.actor, "write", secretKey);
              }
              check(secretKey, value, each);
            }),
          );
          if (first !== undefined) throw batchError([first, ...others]);
          const writes: BatchWrite[] = texts.map(({ secretKey, value, ...each }) =>
            plain(secretKey, value, each),
          );
          try {
            return await supported(store, "batches").writeMany({ caller, company }, { writes, ...options });
          } finally {
            for (const { plaintext } of writes) plaintext.wipe();
          }
        }),
      ),
  };
}
