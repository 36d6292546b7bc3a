/** What a ciphertext is bound to: it decrypts only with the same fields. The key's owner sees them in the log of its KMS. */
export type KeyContext = Readonly<Record<string, string>>;

/** Keys of companies in their own key management services. */
export interface ExternalKeys {
  /**
   * @param key its name, as `parseKeyArn` accepts it
   * @param secret 32 bytes; the caller wipes them
   * @returns what the key made of them, 1 to 6,144 bytes
   * @throws {ExternalKeyFailure}
   */
  encrypt(key: string, secret: Buffer, context: KeyContext): Promise<Buffer>;
  /** @returns the 32 bytes; the caller wipes them @throws {ExternalKeyFailure} */
  decrypt(key: string, ciphertext: Buffer, context: KeyContext): Promise<Buffer>;
}

/**
 * `denied`: the service was reached and refuses: no grant, a disabled key, no such key. `wrong`: it answers what does not fit, or says
 * that the ciphertext is not of this key and context. `unavailable`: no answer, a failure of its own, or too many calls.
 */
export type ExternalKeyFault = "denied" | "wrong" | "unavailable";

/** A call to a company's key that failed. Its message names no key, and nothing that the other side sent. */
export class ExternalKeyFailure extends Error {
  override readonly name = "ExternalKeyFailure";
  readonly fault: ExternalKeyFault;

  constructor(fault: ExternalKeyFault, message: string) {
    super(message);
    this.fault = fault;
  }
}
