/**
 * What the function given to `use` throws when the provider refused the credential it was handed (a 401, not a 403 or
 * an outage). `use` then reads the secret again past the cache, and calls the function once more with each other value that
 * is active: a newer one, the pending one, the previous one inside its window. The outcome is stored as the version's check. It
 * holds no message of the provider's: those quote parts of a credential.
 */
export class CredentialRejected extends Error {
  override readonly name = "CredentialRejected";

  constructor() {
    super("The provider does not accept this credential: check it there, and replace it.");
  }
}
