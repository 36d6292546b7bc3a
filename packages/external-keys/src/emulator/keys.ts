import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";

/** A refusal of the local KMS, by the name that AWS has for it. */
export class Refusal extends Error {
  readonly type: string;
  readonly status: number;

  constructor(type: string, status = 400) {
    super(type);
    this.type = type;
    this.status = status;
  }
}

export interface EmulatedKey {
  readonly arn: string;
  /** What `Enabled` of AWS says. */
  enabled: boolean;
  /** Whether the key's policy allows the only principal that there is. */
  granted: boolean;
}

interface StoredKey extends EmulatedKey {
  readonly secret: Buffer;
}

type Context = Readonly<Record<string, string>>;

/** Keys of AES-256-GCM with the encryption context as additional data. */
export function createKeys() {
  const keys = new Map<string, StoredKey>();

  const usable = (arn: string): StoredKey => {
    const key = keys.get(arn);
    if (key === undefined) throw new Refusal("NotFoundException");
    if (!key.granted) throw new Refusal("AccessDeniedException");
    if (!key.enabled) throw new Refusal("DisabledException");
    return key;
  };

  return {
    /** Makes a key. */
    add: (region = "eu-central-1", account = "111122223333"): EmulatedKey => {
      const arn = `arn:aws:kms:${region}:${account}:key/${randomUUID()}`;
      const key = { arn, enabled: true, granted: true, secret: randomBytes(32) };
      keys.set(arn, key);
      return key;
    },
    /** Its ciphertext never decrypts again. */
    destroy: (arn: string): void => void keys.delete(arn),
    describe: (arn: string): EmulatedKey => usable(arn),
    encrypt: (arn: string, plaintext: Buffer, context: Context): Buffer => {
      const { secret } = usable(arn);
      const iv = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", secret, iv).setAAD(bytesOf(context));
      const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
      return Buffer.concat([Buffer.from(`${arn}\n`), iv, body]);
    },
    /** @param arn that the caller asks for, which has to be the ciphertext's own */
    decrypt: (arn: string, blob: Buffer, context: Context): Buffer => {
      const end = blob.indexOf("\n");
      const { secret } = usable(arn);
      if (blob.subarray(0, Math.max(end, 0)).toString() !== arn) throw new Refusal("IncorrectKeyException");
      const [iv, body] = [blob.subarray(end + 1, end + 13), blob.subarray(end + 13)];
      try {
        const decipher = createDecipheriv("aes-256-gcm", secret, iv, { authTagLength: 16 });
        decipher.setAAD(bytesOf(context)).setAuthTag(body.subarray(-16));
        return Buffer.concat([decipher.update(body.subarray(0, -16)), decipher.final()]);
      } catch {
        throw new Refusal("InvalidCiphertextException");
      }
    },
  };
}

function bytesOf(context: Context): Buffer {
  return Buffer.from(JSON.stringify(Object.entries(context).toSorted(([a], [b]) => (a < b ? -1 : 1))));
}
