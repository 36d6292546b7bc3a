import { type Caller, TenantSecretsError } from "@repo/catalog";
import { operator, type Fixture } from "./fixture.ts";

/** An operator with a token: `operator` of the fixture has none. */
export async function newOperator(secrets: Fixture["secrets"], name: string): Promise<Caller> {
  const expiresAt = new Date(Date.now() + 3_600_000);
  const { token } = await secrets.operators.create(operator, name, expiresAt);
  return secrets.authenticate({ credential: token });
}

/** The id of the request that a call waits for. */
export async function requestOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    const id = error instanceof TenantSecretsError ? error.approvalId : undefined;
    if (id !== undefined) return id;
    throw error;
  }
  throw new Error("the call waits for no approval");
}

/** A request of one more operator, to shred one more company. @returns its id */
export async function newRequest(fixture: Fixture): Promise<string> {
  const secrets = fixture.another({ operatorApprovals: 2 });
  const [caller, company] = [await newOperator(secrets, "asks"), await fixture.company("database")];
  return requestOf(secrets.shredding.shred(caller, company, { backupsKeptDays: 30 }));
}
