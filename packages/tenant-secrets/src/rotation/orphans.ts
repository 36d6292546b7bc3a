import { type Caller, notFound, SecretKey, TenantSecretsError } from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import type { Companies } from "../companies/companies.ts";
import { changeCredential, lockCredential } from "./credentials.ts";
import { isMarker } from "./drivers/marker.ts";
import { rotationOperation } from "./rotation-operation.ts";

export interface OrphanName {
  readonly company: string;
  readonly secretKey: string;
  /** What it is called at the provider. */
  readonly marker: string;
}

/**
 * A person has ended a credential at the provider that no run could end. Idempotent.
 *
 * @throws {TenantSecretsError} FORBIDDEN; NOT_FOUND for a company or a credential that is not there or not the caller's; CONFLICT for
 *   one that is no orphan
 */
export type EndOrphan = (caller: Caller, orphan: OrphanName) => Promise<void>;

interface OrphanParts {
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
}

export function createEndOrphan({ operations, companies }: OrphanParts): EndOrphan {
  return async (caller, { marker, ...name }) => {
    const asked = { ...name, action: "rotation.end-orphan", verb: "rotate" } as const;
    const operation = await rotationOperation(companies, caller, asked);
    const secret = { companyId: operation.company.id, secretKey: name.secretKey };
    await operations.change(operation, async ({ statements }) => {
      if (!SecretKey.safeParse(name.secretKey).success || !isMarker(marker)) throw notFound();
      const found = await lockCredential(statements, secret, marker);
      if (found === undefined) throw notFound();
      if (found.state !== "orphan" && found.state !== "retired") throw notLeft();
      if (found.state === "orphan") await changeCredential(statements, found, "retired");
      return audited(undefined, { subject: marker, version: found.version ?? undefined });
    });
  };
}

function notLeft(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "This credential is not left at the provider: it is in use, or a rotation ends it.",
  );
}
