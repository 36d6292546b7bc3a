import type { Company } from "../companies/companies.ts";
import type { SecretStore } from "./store.ts";

/**
 * A store that tells of every change that it may have made, before whoever asked for it hears how it ended: also of one
 * that failed, as it may not be known what became of it.
 */
export function announcing(store: SecretStore, changed: (company: Company) => Promise<void>): SecretStore {
  const telling =
    <Rest extends readonly unknown[], Result>(change: (company: Company, ...rest: Rest) => Promise<Result>) =>
    async (company: Company, ...rest: Rest): Promise<Result> => {
      try {
        return await change(company, ...rest);
      } finally {
        await changed(company);
      }
    };
  return {
    ...store,
    write: telling((...change) => store.write(...change)),
    writeMany: telling((...change) => store.writeMany(...change)),
    stage: telling((...change) => store.stage(...change)),
    discard: telling((...change) => store.discard(...change)),
    promote: telling((...change) => store.promote(...change)),
    rollback: telling((...change) => store.rollback(...change)),
    remove: telling((...change) => store.remove(...change)),
    restore: telling((...change) => store.restore(...change)),
    purge: telling((...change) => store.purge(...change)),
  };
}
