import { type Caller, TenantSecretsError } from "@repo/catalog";
import { operator, type Fixture } from "./fixture.ts";

/** An operator with a token: `operator` of the fixture has none. @param person an e-mail address, if the token names one */
export async function newOperator(
  secrets: Fixture["secrets"],
  name: string,
  person?: string,
): Promise<Caller> {
  const expiresAt = new Date(Date.now() + 3_600_000);
  const { token } = await secrets.operators.create(operator, { name, expiresAt, person });
  return secrets.authenticate({ credential: token });
}

/** A linked person in a session that a second factor has just confirmed. Linking again, after `unlink`, has another id. */
export async function newLink({ secrets, accounts }: Fixture, email: string): Promise<Caller> {
  const { userId } = await secrets.operators.link(operator, {
    email,
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const { session } = accounts.start(userId, { secondFactorAt: new Date() });
  return secrets.authenticate({
    headers: new Headers({ "x-test-session": session.id, "tenant-secrets-as": "operator" }),
  });
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
