import type { Company } from "../companies/companies.ts";
import type { SecretStore } from "./store.ts";

/**
 * A store that tells of every change that it may have made, before whoever asked for it hears how it ended: also of one
 * that failed, as it may not be known what became of it. It names the secrets that were to change: no other did, and what is
 * known of those may be all that there is to serve.
 */
export function announcing(
  store: SecretStore,
  changed: (company: Company, secretKeys: readonly string[]) => Promise<void>,
): SecretStore {
  const telling = async <Result>(
    company: Company,
    secretKeys: readonly string[],
    change: () => Promise<Result>,
  ): Promise<Result> => {
    try {
      return await change();
    } finally {
      await changed(company, secretKeys);
    }
  };
  const ofOne =
    <Rest extends readonly unknown[], Result>(
      change: (company: Company, secretKey: string, ...rest: Rest) => Promise<Result>,
    ) =>
    (company: Company, secretKey: string, ...rest: Rest): Promise<Result> =>
      telling(company, [secretKey], () => change(company, secretKey, ...rest));
  return {
    ...store,
    write: (company, write, caller) =>
      telling(company, [write.secretKey], () => store.write(company, write, caller)),
    writeMany: (company, writes, options, caller) =>
      telling(
        company,
        writes.map(({ secretKey }) => secretKey),
        () => store.writeMany(company, writes, options, caller),
      ),
    stage: (company, write, caller) =>
      telling(company, [write.secretKey], () => store.stage(company, write, caller)),
    discard: ofOne((...change) => store.discard(...change)),
    promote: ofOne((...change) => store.promote(...change)),
    rollback: ofOne((...change) => store.rollback(...change)),
    remove: ofOne((...change) => store.remove(...change)),
    restore: ofOne((...change) => store.restore(...change)),
    purge: ofOne((...change) => store.purge(...change)),
  };
}
