import { generateKeyPairSync, sign, X509Certificate, type KeyObject } from "node:crypto";
import { isIP } from "node:net";

/** A certificate and its key as PEM, for servers of tests. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly certificate: Certificate;
  /** A certificate of this authority for a host: a name or an IPv4 address. */
  issue(host: string, validity?: { readonly from: Date; readonly until: Date }): Certificate;
}

const day = 24 * 60 * 60 * 1000;
const around = { from: new Date(Date.now() - day), until: new Date(Date.now() + day) };

/** A certificate that no authority issued. */
export function selfSigned(host: string): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return certificateOf({ subject: host, publicKey, privateKey, signer: { name: host, key: privateKey } });
}

export function createAuthority(name: string): Authority {
  const root = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signer = { name, key: root.privateKey };
  return {
    certificate: certificateOf({ subject: name, ...root, signer, isAuthority: true }),
    issue(host, validity) {
      const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
      return certificateOf({ subject: host, ...pair, signer, validity });
    },
  };
}

interface Contents {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly signer: { readonly name: string; readonly key: KeyObject };
  readonly isAuthority?: boolean;
  readonly validity?: { readonly from: Date; readonly until: Date } | undefined;
}

let serial = 0;

/** RFC 5280, as much of it as a test needs. */
function certificateOf(contents: Contents): Certificate {
  const { subject, publicKey, privateKey, signer, isAuthority = false, validity = around } = contents;
  const algorithm = der(0x30, oid("2a8648ce3d040302"));
  const extension = isAuthority
    ? der(0x30, oid("551d13"), der(0x01, Buffer.of(0xff)), der(0x04, der(0x30, der(0x01, Buffer.of(0xff)))))
    : der(0x30, oid("551d11"), der(0x04, der(0x30, alternativeName(subject))));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(++serial)),
    algorithm,
    commonName(signer.name),
    der(0x30, time(validity.from), time(validity.until)),
    commonName(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(0x30, extension)),
  );
  const signature = der(0x03, Buffer.of(0), sign("sha256", body, signer.key));
  return {
    cert: new X509Certificate(der(0x30, body, algorithm, signature)).toString(),
    key: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const prefix =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...prefix), content]);
}

const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"));

const commonName = (name: string): Buffer =>
  der(0x30, der(0x31, der(0x30, oid("550403"), der(0x0c, Buffer.from(name)))));

const time = (date: Date): Buffer =>
  der(0x17, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, "").slice(2, 14)}Z`));

const alternativeName = (host: string): Buffer =>
  isIP(host) === 4 ? der(0x87, Buffer.from(host.split(".").map(Number))) : der(0x82, Buffer.from(host));
