import type { Capabilities } from "@repo/catalog";
import { createAnnotations } from "./annotations.ts";
import { createDescriptions } from "./queries.ts";
import { createQuotas, type Quotas } from "./quotas.ts";
import { createReading } from "./reads.ts";
import { createRemoval } from "./removal.ts";
import type { DatabaseParts } from "./secret-head.ts";
import { createSecretUses } from "./last-used.ts";
import { createStages } from "./stages.ts";
import { createWrites } from "./writes.ts";
import type { DatabaseStore } from "./port.ts";

const capabilities: Capabilities = {
  conditionalWrites: true,
  requestIds: true,
  recovery: true,
  notes: true,
  surroundingWhiteSpace: true,
  history: true,
  stages: true,
  rollback: true,
  purge: true,
  bulk: true,
  expiry: true,
  checks: true,
};

export function createDatabaseStore({
  quotas,
  ...given
}: DatabaseParts & { readonly quotas?: Quotas }): DatabaseStore {
  const parts = { ...given, quotas: quotas ?? createQuotas(given.database) };
  const uses = createSecretUses(parts.database);
  return {
    name: "database",
    capabilities,
    ...createReading(parts),
    ...createDescriptions(parts),
    ...createWrites(parts),
    ...createStages(parts),
    ...createRemoval(parts),
    ...createAnnotations(parts),
    uses,
    noteUse: (company, secretKey) => uses.note(company.id, secretKey),
  };
}
