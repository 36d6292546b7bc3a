/** Which rule an address breaks. */
export type RefusalCode =
  | "NOT_A_URL"
  | "TOO_LONG"
  | "NOT_HTTPS"
  | "HAS_CREDENTIALS"
  | "HAS_FRAGMENT"
  | "WRONG_PORT"
  | "IS_IP_ADDRESS"
  | "BAD_HOST"
  | "INTERNAL_HOST"
  | "NOT_RESOLVED"
  | "NOT_PUBLIC";

/** Why an address is refused, in a sentence that says what to change and quotes nothing. */
export interface OutboundRefusal {
  readonly code: RefusalCode;
  readonly message: string;
}

/**
 * A name without an address and a name with a private one have the same sentence and code: the difference would tell which
 * names exist in the network of this service.
 */
const sentences: Readonly<Record<RefusalCode, string>> = {
  NOT_A_URL: "The address is not a complete URL, such as https://hooks.example.com/secrets.",
  TOO_LONG: "The address is longer than 2,048 characters.",
  NOT_HTTPS: "The address has to start with https://.",
  HAS_CREDENTIALS: "The address holds a user or a password. Remove what stands before the @.",
  HAS_FRAGMENT: "The address holds a #. Remove it, with everything after it.",
  WRONG_PORT: "The address names a port. Only port 443 is allowed, which needs no mention.",
  IS_IP_ADDRESS: "The address names an IP address. Use the name of the host.",
  BAD_HOST:
    "The host of the address is not a full domain name of letters, digits and hyphens, such as hooks.example.com.",
  INTERNAL_HOST: "The host of the address is in a domain that is not public. Use a public domain name.",
  NOT_RESOLVED: "The host of the address could not be looked up. Check its DNS records, or try again later.",
  NOT_PUBLIC: "The host of the address needs between 1 and 16 addresses in DNS, and all of them public.",
};

export function refusalOf(code: RefusalCode): OutboundRefusal {
  return { code, message: sentences[code] };
}

/** Thrown inside this package where an address breaks a rule. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
  readonly code: RefusalCode;
  /** Whether the name has no address at all, which a person is not told apart from a private one. */
  readonly hasNone: boolean;
  constructor(code: RefusalCode, { hasNone = false } = {}) {
    super(sentences[code]);
    this.code = code;
    this.hasNone = hasNone;
  }
}
