import { inspect } from "node:util";

const redacted = "[redacted]";

/**
 * A decrypted value, between a store and a permitted reader. Printing, interpolating or serialising one
 * shows "[redacted]". Its bytes can be wiped; a string made from them cannot.
 */
export class Plaintext {
  readonly #bytes: Buffer;
  #isWiped = false;

  /** Takes the buffer over: {@link wipe} zeroes it. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static fromText(text: string): Plaintext {
    return new Plaintext(Buffer.from(text, "utf8"));
  }

  /**
   * @throws {Error} once the value is wiped. A transaction can outlive a call that timed out: it must fail rather than store
   *   zeros as a value.
   */
  get bytes(): Buffer {
    if (this.#isWiped) throw new Error("The value was wiped before it was used.");
    return this.#bytes;
  }

  /** @throws {Error} as `bytes` */
  reveal(): string {
    return this.bytes.toString("utf8");
  }

  wipe(): void {
    this.#isWiped = true;
    this.#bytes.fill(0);
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}
