import { maxBatchSecrets, TenantSecretsError } from "@repo/catalog";
import type { Company } from "../companies/companies.ts";
import { decryptEach } from "../stores/decrypt.ts";
import type { SecretStore, StoredSecret } from "../stores/store.ts";

/** The maximum size of all values of a file, in bytes of UTF-8. */
const maxFileBytes = 16 * 1024 * 1024;

/** Reads all secrets that exist. The caller zeroes the values. */
export async function readBatches(
  store: SecretStore,
  company: Company,
  {
    secretKeys,
    onUnusable,
  }: { readonly secretKeys: readonly string[]; readonly onUnusable?: (secretKey: string) => void },
): Promise<ReadonlyMap<string, StoredSecret>> {
  const found = new Map<string, StoredSecret>();
  let bytes = 0;
  try {
    for (let start = 0; start < secretKeys.length; start += maxBatchSecrets) {
      const batch = await decryptEach(
        secretKeys.slice(start, start + maxBatchSecrets),
        (secretKey) => store.find(company, secretKey),
        onUnusable,
      );
      for (const [secretKey, secret] of batch) {
        found.set(secretKey, secret);
        bytes += secret.plaintext.bytes.length;
      }
      if (bytes > maxFileBytes) throw tooLarge();
    }
    return found;
  } catch (error) {
    wipe(found);
    throw error;
  }
}

function tooLarge(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    `The values are more than ${maxFileBytes} bytes together, which is too much for one file: use API keys that cover some of the secret keys each.`,
  );
}

export function wipe(secrets: ReadonlyMap<string, StoredSecret>): void {
  for (const { plaintext } of secrets.values()) plaintext.wipe();
}
