import { inspect } from "node:util";

const redacted = "[redacted]";

/**
 * A readable value, on its way between a store and whoever may have it. Printing, interpolating or serialising one
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
   * @throws {Error} once it was wiped. A transaction can outlive the call that it belongs to, where that gave up waiting: it
   *   has to fail then, and not to keep zeros as a value.
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
