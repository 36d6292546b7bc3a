import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** How the server proves who it is. */
export interface Tls {
  /** `full` compares the certificate with the host as well, `chain` its issuer only, `nothing` neither. */
  readonly verify: "nothing" | "chain" | "full";
  /** PEM; undefined for the CAs that Node knows, with those of NODE_EXTRA_CA_CERTS. */
  readonly ca: string | undefined;
  /** Of the client, PEM. */
  readonly identity: { readonly cert: string; readonly key: string } | undefined;
}

const modes: Readonly<Record<string, Tls["verify"]>> = {
  "no-verify": "nothing",
  require: "nothing",
  "verify-ca": "chain",
  "verify-full": "full",
};

/**
 * @param parameters of a URL: sslmode, sslrootcert, sslcert, sslkey
 * @param mustBeSure whether the server has to prove who it is, whatever sslmode says: neither driver can bind a password to
 *   the channel on both ends, and a certificate that is compared with the host keeps out the same party in between
 * @returns undefined for a connection in the clear
 */
export function readTls(
  parameters: ReadonlyMap<string, string>,
  mustBeSure: boolean,
  refuse: (rule: string) => never,
): Tls | undefined {
  const mode = parameters.get("sslmode");
  const root = parameters.get("sslrootcert");
  if (mode === "allow" || mode === "prefer")
    refuse(
      `has sslmode=${mode}, which continues unencrypted when the server asks for it: use verify-full, or disable`,
    );
  const asked = mode === undefined && root === "system" ? "full" : modes[mode ?? "disable"];
  if (asked === undefined) {
    if (mode !== undefined && mode !== "disable")
      refuse("has a sslmode other than disable, no-verify, require, verify-ca and verify-full");
    if (mustBeSure || root !== undefined || parameters.has("sslcert"))
      refuse("asks for certificates without a sslmode that encrypts, such as verify-full");
    return undefined;
  }
  if (root === "system" && asked !== "full") refuse("has sslrootcert=system without sslmode=verify-full");
  // As libpq does: who names a CA wants it asked.
  const verify = mustBeSure ? "full" : mode === "require" && root !== undefined ? "chain" : asked;
  return {
    verify,
    ca: root === undefined || root === "system" ? undefined : readCertificates(root, "sslrootcert", refuse),
    identity: readIdentity(parameters, refuse),
  };
}

function readIdentity(
  parameters: ReadonlyMap<string, string>,
  refuse: (rule: string) => never,
): Tls["identity"] {
  const cert = parameters.get("sslcert");
  const key = parameters.get("sslkey");
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) refuse("has one of sslcert and sslkey without the other");
  return { cert: readCertificates(cert, "sslcert", refuse), key: readPem(key, "sslkey", refuse) };
}

function readCertificates(path: string, name: string, refuse: (rule: string) => never): string {
  const pem = readPem(path, name, refuse);
  try {
    for (const one of pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [""])
      void new X509Certificate(one);
  } catch {
    refuse(`names a file with ${name} that holds no certificate in PEM form`);
  }
  return pem;
}

function readPem(path: string, name: string, refuse: (rule: string) => never): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return refuse(`names a file with ${name} that cannot be read`);
  }
}
