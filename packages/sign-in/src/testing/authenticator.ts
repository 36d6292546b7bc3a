import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

const present = 0x01;
const verified = 0x04;
const withKey = 0x40;

export interface SigningOptions {
  /** Whether it asked for a finger, a face or a PIN. Default true. */
  readonly verifies?: boolean;
  /** What the browser says that it asks for. Default: where the passkey was made. */
  readonly askedBy?: string;
  /** The page that the browser is on. */
  readonly origin: string;
}

/**
 * An authenticator in software: one credential, ES256, without attestation (WebAuthn level 3, 6.1 and 6.5). It counts nothing, as passkeys that are
 * synchronised: that an answer counts once is not left to its counter.
 */
export function createAuthenticator(host: string) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const rawId = randomBytes(32);
  const id = rawId.toString("base64url");

  const clientData = (type: string, challenge: string, origin: string) =>
    Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }));
  const authenticatorData = (flags: number, askedBy: string, verifies: boolean): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt8(flags | present | (verifies ? verified : 0), 0);
    return Buffer.concat([createHash("sha256").update(askedBy).digest(), head]);
  };

  return {
    create: ({ challenge }: { readonly challenge: string }, { origin, verifies = true }: SigningOptions) => {
      const data = Buffer.concat([
        authenticatorData(withKey, host, verifies),
        Buffer.alloc(16),
        Buffer.from([0, rawId.length]),
        rawId,
        // A COSE key in CBOR: kty EC2, alg ES256, crv P-256, x, y (RFC 9052, RFC 9053).
        Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]),
        Buffer.from(x, "base64url"),
        Buffer.from([0x22, 0x58, 0x20]),
        Buffer.from(y, "base64url"),
      ]);
      // { fmt: "none", attStmt: {}, authData } in CBOR.
      const attestationObject = Buffer.concat([
        Buffer.from([0xa3, 0x63]),
        Buffer.from("fmt"),
        Buffer.from([0x64]),
        Buffer.from("none"),
        Buffer.from([0x67]),
        Buffer.from("attStmt"),
        Buffer.from([0xa0, 0x68]),
        Buffer.from("authData"),
        Buffer.from([0x58, data.length]),
        data,
      ]);
      const clientDataJSON = clientData("webauthn.create", challenge, origin).toString("base64url");
      const response = { clientDataJSON, attestationObject: attestationObject.toString("base64url") };
      return { id, rawId: id, type: "public-key", response };
    },

    get: (challenge: string, { origin, askedBy = host, verifies = true }: SigningOptions) => {
      const data = authenticatorData(0, askedBy, verifies);
      const client = clientData("webauthn.get", challenge, origin);
      const signed = Buffer.concat([data, createHash("sha256").update(client).digest()]);
      const response = {
        clientDataJSON: client.toString("base64url"),
        authenticatorData: data.toString("base64url"),
        signature: sign("sha256", signed, privateKey).toString("base64url"),
      };
      return { id, rawId: id, type: "public-key", response };
    },
  };
}
