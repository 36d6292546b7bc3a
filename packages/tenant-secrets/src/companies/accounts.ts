import type { NewPasskey, OwnPasskeys, PasskeyOptions, RenamedPasskey } from "@repo/catalog";

/** The accounts of people, as their sign-in has them. Without one, the product has a sign-in of its own. */
export interface Accounts {
  describe(userId: string): Promise<{
    readonly email: string;
    readonly name: string;
    readonly factors: { readonly totp: boolean; readonly passkeys: number; readonly backupCodesLeft: number };
  }>;
  /** Puts off the end of a session without activity. */
  touch(sessionId: string): Promise<void>;
  sessions(userId: string): Promise<
    readonly {
      readonly id: string;
      readonly address?: string | undefined;
      readonly device?: string | undefined;
      readonly createdAt: Date;
      readonly lastSeenAt: Date;
    }[]
  >;
  /** Ends a session of this person. Idempotent. */
  endSession(userId: string, sessionId: string): Promise<void>;
  /** @returns how many ended */
  endSessions(userId: string, options?: { readonly except?: string }): Promise<number>;
  setName(userId: string, name: string): Promise<void>;
  /** Ends the other sessions. @throws {TenantSecretsError} INVALID_INPUT for a weak one */
  setPassword(
    userId: string,
    change: { readonly password: string; readonly keepSession: string },
  ): Promise<void>;
  readonly totp: {
    begin(userId: string): Promise<{ readonly uri: string; readonly secret: string }>;
    /** Ends the other sessions. @returns backup codes @throws {TenantSecretsError} INVALID_INPUT for a wrong code */
    finish(
      userId: string,
      given: { readonly code: string; readonly keepSession: string },
    ): Promise<readonly string[]>;
    /** Ends the other sessions, and the backup codes where no passkey is left. */
    remove(userId: string, options: { readonly keepSession: string }): Promise<void>;
  };
  readonly passkeys: {
    list(userId: string): Promise<OwnPasskeys>;
    begin(userId: string): Promise<PasskeyOptions>;
    /**
     * Ends the other sessions.
     *
     * @returns backup codes where it is the first second factor
     * @throws {TenantSecretsError} INVALID_INPUT for an answer to something else
     */
    finish(
      userId: string,
      given: NewPasskey & { readonly keepSession: string },
    ): Promise<readonly string[] | undefined>;
    /** @throws {TenantSecretsError} NOT_FOUND */
    rename(userId: string, change: RenamedPasskey): Promise<void>;
    /** Ends the other sessions, and the backup codes with the last second factor. @throws {TenantSecretsError} NOT_FOUND */
    remove(userId: string, given: { readonly id: string; readonly keepSession: string }): Promise<void>;
  };
  renewBackupCodes(userId: string): Promise<readonly string[]>;
  /** Removes the second factor, and ends all sessions. */
  resetSecondFactor(userId: string): Promise<void>;
  hasPassword(userId: string): Promise<boolean>;
  /** Whether this password alone signs the person in. The caller limits attempts. */
  signsIn(userId: string, password: string): Promise<boolean>;
  /** The first password of an invited person. @throws {TenantSecretsError} INVALID_INPUT; CONFLICT where there is one */
  createPassword(userId: string, password: string): Promise<void>;
  /** The last complete sign-in of each person, and whether they have a second factor. */
  lastSignIns(
    userIds: readonly string[],
  ): Promise<
    ReadonlyMap<string, { readonly lastSignInAt?: Date | undefined; readonly secondFactor: boolean }>
  >;
}
