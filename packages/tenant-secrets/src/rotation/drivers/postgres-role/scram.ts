import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

/** What PostgreSQL uses by default. */
const iterations = 4096;

/**
 * What a server stores in place of a password (RFC 5803, with SHA-256 as in RFC 7677). A statement that sets it holds no password,
 * so that no log of the server does.
 *
 * @param password of ASCII: other passwords would have to be normalized first
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16)): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const keyOf = (label: string): Buffer => createHmac("sha256", salted).update(label).digest();
  const storedKey = createHash("sha256").update(keyOf("Client Key")).digest();
  const serverKey = keyOf("Server Key");
  salted.fill(0);
  const [encodedSalt, stored, server] = [salt, storedKey, serverKey].map((bytes) => bytes.toString("base64"));
  return `SCRAM-SHA-256$${iterations}:${encodedSalt}$${stored}:${server}`;
}
