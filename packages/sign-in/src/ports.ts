import type { ErrorCode } from "@repo/catalog";

/** A mail, as text. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** One step of a sign-in, for the audit log. */
export interface SignInEvent {
  readonly action: "sign-in" | "sign-in.second-factor" | "sign-in.confirm" | "session.end" | "password.reset";
  readonly outcome: "success" | "denied";
  /** Left out where no account is known. */
  readonly userId?: string | undefined;
  readonly reason?: ErrorCode | undefined;
  readonly address?: string | undefined;
  readonly requestId?: string | undefined;
}

export interface SignInOptions {
  /** Of the role tenant_secrets_sign_in. */
  readonly databaseUrl: string;
  /** At least 32 characters. Signs cookies, and encrypts authenticator secrets and backup codes. */
  readonly secret: string;
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
