import { createAnnotations } from "./annotations.ts";
import { createBackfills } from "./backfills.ts";
import type { DatabaseStore } from "./port.ts";
import { createDescriptions } from "./queries.ts";
import { createQuotas, type Quotas } from "./quotas.ts";
import { createReading } from "./reads.ts";
import { createRemoval } from "./removal.ts";
import { createLastUsed } from "./last-used.ts";
import { createStages } from "./stages.ts";
import type { DatabaseParts } from "./transaction.ts";
import { createWrites } from "./writes.ts";

export function createDatabaseStore({
  quotas,
  ...given
}: DatabaseParts & { readonly quotas?: Quotas }): DatabaseStore {
  const parts = { ...given, quotas: quotas ?? createQuotas(given.database) };
  const lastUsed = createLastUsed(parts.database);
  const reading = createReading(parts);
  const descriptions = createDescriptions(parts);
  const writes = createWrites(parts);
  const removal = createRemoval(parts);
  const annotations = createAnnotations(parts);
  return {
    ...reading,
    ...descriptions,
    ...writes,
    ...createBackfills(parts),
    ...removal,
    ...annotations,
    versions: {
      ...reading.versions,
      ...descriptions.versions,
      ...writes.versions,
      ...createStages(parts),
      ...removal.versions,
      ...annotations.versions,
    },
    lastUsed,
    touchLastUsed: (company, secretKey) => lastUsed.touch(company.id, secretKey),
  };
}
