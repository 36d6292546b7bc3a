import { inspect } from "node:util";

const redacted = "[redacted]";

/**
 * A readable value, on its way between a store and whoever may have it. Printing, interpolating or serialising one
 * shows "[redacted]". Its bytes can be wiped; a string made from them cannot.
 */
export class Plaintext {
  readonly #bytes: Buffer;

  /** Takes the buffer over: {@link wipe} zeroes it. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static fromText(text: string): Plaintext {
    return new Plaintext(Buffer.from(text, "utf8"));
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  reveal(): string {
    return this.#bytes.toString("utf8");
  }

  wipe(): void {
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
