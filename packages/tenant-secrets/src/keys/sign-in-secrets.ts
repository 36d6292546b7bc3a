import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import type { Database } from "@repo/db";
import type { InfisicalClient, InfisicalSecret } from "@repo/infisical";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import type { Operations } from "../access/operation.ts";
import type { SignInSecret, SignInSecrets } from "../companies/mailing.ts";
import { masterKeyFolder } from "./master/master-key-name.ts";
import { mapInfisicalErrors } from "./on-infisical.ts";
import { signInSecretName, signInSecretVersion } from "./sign-in-secret-name.ts";

/** The secrets of the sign-in of people, beside the master keys in Infisical: SIGN_IN_SECRET, then SIGN_IN_SECRET_V2 and so on. */
export interface SignInSecretStore {
  /**
   * Reads them at most once a minute, and makes the first one. While Infisical is down, those that were read before stay in use.
   *
   * @returns the same array as long as they are the same
   * @throws {TenantSecretsError} KEY_UNAVAILABLE if Infisical is down at the first call, does not allow the first one to be made,
   *   or has one of fewer than 32 characters
   */
  load(): Promise<SignInSecrets>;
  /**
   * Makes the next version. It signs and encrypts after five minutes, when every process has read it; the earlier versions are
   * read with as long as Infisical has them.
   *
   * @throws {TenantSecretsError} FORBIDDEN; KEY_UNAVAILABLE
   */
  rotate(caller: Caller): Promise<{ readonly version: number; readonly signsFrom: Date }>;
}

const readEveryMs = 60_000;
/** Every process reads the secrets within a minute; the rest is for clocks that differ. */
const settlesMs = 5 * 60_000;
/** The advisory lock of making a version. The number is arbitrary, and used for no other lock of this database. */
const makingLock = 7_274_011;
const shortest = 32;

interface Dependencies {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly infisical: InfisicalClient;
  readonly operations: Operations;
}

export function createSignInSecrets({ database, infisical, operations }: Dependencies): SignInSecretStore {
  let known: { readonly secrets: SignInSecrets; readonly readAt: number } | undefined;
  let reading: Promise<SignInSecrets> | undefined;

  const list = async (): Promise<readonly Version[]> =>
    (await ask(() => infisical.listSecrets(masterKeyFolder))).flatMap(versionOf);
  const put = (version: number) =>
    ask(() =>
      infisical.putSoleSecret(
        masterKeyFolder,
        signInSecretName(version),
        randomBytes(32).toString("base64url"),
      ),
    );

  /** Infisical creates two secrets of one name for two requests at once, so the database decides which process makes one. */
  const alone = <T>(work: () => Promise<T>): Promise<T> =>
    database.acrossCompanies(async (statements) => {
      await statements.execute(sql`select pg_advisory_xact_lock(${makingLock})`);
      return work();
    });

  const makeFirst = (): Promise<readonly Version[]> =>
    alone(async () => {
      const made = await list();
      if (made.length > 0) return made;
      await put(1);
      return list();
    });

  const read = async (): Promise<SignInSecrets> => {
    const versions = await list();
    return inOrder(versions.length > 0 ? versions : await makeFirst());
  };

  const refresh = async (): Promise<SignInSecrets> => {
    const before = known?.secrets;
    const secrets = await read().catch((error: unknown) => {
      if (before === undefined) throw error;
      return before;
    });
    const isSame = JSON.stringify(secrets) === JSON.stringify(before);
    known = { secrets: isSame && before !== undefined ? before : secrets, readAt: Date.now() };
    return known.secrets;
  };

  return {
    load: async () => {
      if (known !== undefined && Date.now() - known.readAt < readEveryMs) return known.secrets;
      reading ??= refresh().finally(() => (reading = undefined));
      return reading;
    },

    rotate: (caller) =>
      operations.inSteps(
        { caller, action: "key.rotate-sign-in", verb: "rotate", to: "manage keys" },
        async ({ record }) => {
          const version = await alone(async () => {
            const next = Math.max(0, ...(await list()).map((found) => found.version)) + 1;
            await record({ outcome: "attempted", version: next });
            await put(next);
            return next;
          });
          await record({ version });
          return { version, signsFrom: new Date(Date.now() + settlesMs) };
        },
      ),
  };
}

interface Version extends SignInSecret {
  readonly createdAt: Date;
}

function versionOf({ secretKey, value, createdAt }: InfisicalSecret): Version[] {
  const version = signInSecretVersion(secretKey);
  return version === undefined ? [] : [{ version, value, createdAt }];
}

/** The newest that has settled is the current one; the only one is current at once. */
function inOrder(versions: readonly Version[]): SignInSecrets {
  const newestFirst = versions.toSorted((a, b) => b.version - a.version);
  const short = newestFirst.find(({ value }) => value.length < shortest);
  if (short !== undefined)
    throw unusable(`${signInSecretName(short.version)} has fewer than ${shortest} characters`);
  const settled = newestFirst.find(({ createdAt }) => createdAt.getTime() <= Date.now() - settlesMs);
  const current = settled ?? newestFirst.at(-1);
  if (current === undefined) throw unusable("SIGN_IN_SECRET was made and is not there");
  const strip = ({ version, value }: Version): SignInSecret => ({ version, value });
  return [strip(current), ...newestFirst.filter((each) => each !== current).map(strip)];
}

function ask<T>(work: () => Promise<T>): Promise<T> {
  return mapInfisicalErrors(
    work,
    "KEY_UNAVAILABLE",
    (answer) =>
      `The secret of the sign-in is out of reach: Infisical answered ${answer}. Without the right to create secrets in ${masterKeyFolder}, make SIGN_IN_SECRET there by hand, with: openssl rand -hex 32`,
  );
}

function unusable(what: string): TenantSecretsError {
  return new TenantSecretsError("KEY_UNAVAILABLE", `In ${masterKeyFolder} of Infisical, ${what}.`, {
    retryAfterMs: 1000,
  });
}
