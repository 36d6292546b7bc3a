import type { KMSClient } from "@aws-sdk/client-kms";
import { ExternalKeyFailure, type ExternalKeys } from "./external-keys.ts";
import { failureOf } from "./faults.ts";
import { parseKeyArn } from "./key-arn.ts";

export interface AwsKmsOptions {
  /** Another server than AWS's own for every key, such as the one of tests. */
  readonly url?: string | undefined;
  /** Milliseconds for a call with its second attempt. Default: 3000 */
  readonly deadlineMs?: number | undefined;
  /** Default: the chain of the SDK, from the environment to the metadata of the machine. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

const secretBytes = 32;
/** AWS has some forty regions; a company can write other names of the same form. */
const mostClients = 64;

/**
 * Keys in AWS KMS, each named by its ARN, which says the region. The library is loaded with the first call, so that a deployment
 * without such keys does not have it in memory.
 */
export function createAwsKms({ url, deadlineMs = 3000, credentials }: AwsKmsOptions = {}): ExternalKeys {
  const clients = new Map<string, Promise<KMSClient>>();

  const connect = async (region: string): Promise<KMSClient> => {
    const [{ KMSClient }, { BoundedHandler }] = await Promise.all([
      import("@aws-sdk/client-kms"),
      import("./bounded-handler.ts"),
    ]);
    return new KMSClient({
      region,
      maxAttempts: 2,
      // Of each attempt.
      requestHandler: new BoundedHandler({ connectionTimeout: 1000, requestTimeout: deadlineMs }),
      ...(url !== undefined && { endpoint: url }),
      ...(credentials !== undefined && { credentials }),
    });
  };

  const clientOf = (region: string): Promise<KMSClient> => {
    const known = clients.get(region);
    if (known !== undefined) return known;
    const [oldest] = clients.keys();
    if (clients.size >= mostClients && oldest !== undefined) clients.delete(oldest);
    const made = connect(region);
    clients.set(region, made);
    return made;
  };

  const call = async <T>(
    key: string,
    send: (client: KMSClient, abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const arn = parseKeyArn(key);
    if (arn === undefined) throw new ExternalKeyFailure("denied", "its name is not the ARN of a key");
    const signal = AbortSignal.timeout(deadlineMs);
    try {
      const client = await clientOf(arn.region);
      // The library ends a request with the signal, but not the search for credentials, nor an answer that has begun.
      return await Promise.race([send(client, signal), aborted(signal)]);
    } catch (error) {
      throw failureOf(error);
    }
  };

  return {
    encrypt: async (key, secret, context) => {
      const { EncryptCommand } = await import("@aws-sdk/client-kms");
      const input = { KeyId: key, Plaintext: secret, EncryptionContext: { ...context } };
      const answer = await call(key, (client, abortSignal) =>
        client.send(new EncryptCommand(input), { abortSignal }),
      );
      const { CiphertextBlob: blob } = answer;
      if (blob === undefined || blob.length === 0 || blob.length > 6144 || answer.KeyId !== key)
        throw notFitting();
      return Buffer.from(blob);
    },
    decrypt: async (key, ciphertext, context) => {
      const { DecryptCommand } = await import("@aws-sdk/client-kms");
      const input = { KeyId: key, CiphertextBlob: ciphertext, EncryptionContext: { ...context } };
      const answer = await call(key, (client, abortSignal) =>
        client.send(new DecryptCommand(input), { abortSignal }),
      );
      return secretOf(answer, key);
    },
  };
}

function secretOf(
  {
    Plaintext: plaintext,
    KeyId: usedKey,
  }: { readonly Plaintext?: Uint8Array | undefined; readonly KeyId?: string | undefined },
  key: string,
): Buffer {
  if (plaintext === undefined) throw notFitting();
  try {
    if (plaintext.length !== secretBytes || usedKey !== key) throw notFitting();
    return Buffer.from(plaintext);
  } finally {
    plaintext.fill(0);
  }
}

function notFitting(): ExternalKeyFailure {
  return new ExternalKeyFailure("wrong", "its answer does not fit");
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () =>
      reject(new ExternalKeyFailure("unavailable", "it does not answer in time")),
    );
  });
}
