import type { ErrorCode } from "@repo/catalog";

/** A mail, as text. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** A secret of the sign-in, at least 32 characters. Its version is written beside what it encrypts. */
export interface SignInSecret {
  readonly version: number;
  readonly value: string;
}

/** The current one first; the others are read with, and sign and encrypt nothing new. */
export type SignInSecrets = readonly [SignInSecret, ...SignInSecret[]];

/** One step of a sign-in, for the audit log. */
export interface SignInEvent {
  readonly action: "sign-in" | "sign-in.second-factor" | "sign-in.confirm" | "session.end" | "password.reset";
  /** A right password that waits for its second factor is an attempted `sign-in`. */
  readonly outcome: "success" | "denied" | "attempted";
  /** Left out where no account is known. */
  readonly userId?: string | undefined;
  readonly reason?: ErrorCode | undefined;
  readonly address?: string | undefined;
  readonly requestId?: string | undefined;
}

export interface SignInOptions {
  /** Of the role tenant_secrets_sign_in. */
  readonly databaseUrl: string;
  /**
   * Sign cookies, and encrypt authenticator secrets and backup codes. Asked for at each use: the same array for the same secrets.
   */
  readonly secrets: () => Promise<SignInSecrets>;
  /** The origin of the pages. Without https it must be the own machine: browsers keep secure cookies for that one only. */
  readonly publicUrl: string;
  readonly sendMail: (mail: Mail) => Promise<void>;
  /**
   * Counts an attempt, before any work.
   *
   * @param key of an address, or of an account by the hash of its e-mail address
   * @throws {TenantSecretsError} RATE_LIMITED
   */
  readonly admit: (key: string, from: Origin) => Promise<void>;
  readonly onEvent: (event: SignInEvent) => Promise<void>;
}

/** Where a request came from. */
export interface Origin {
  readonly requestId?: string | undefined;
  readonly address?: string | undefined;
}
