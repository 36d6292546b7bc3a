import { batchRefused, maxBatchSecrets, type SecretFailure, TenantSecretsError } from "@repo/catalog";

/** @throws {TenantSecretsError} INVALID_INPUT unless there are 1 to 100 secret keys, all different */
export function checkBatch(secretKeys: readonly string[]): void {
  const rule =
    secretKeys.length === 0 || secretKeys.length > maxBatchSecrets
      ? `a batch has 1 to ${maxBatchSecrets} secrets`
      : new Set(secretKeys).size < secretKeys.length
        ? "a batch names each secret key once"
        : undefined;
  if (rule !== undefined) throw new TenantSecretsError("INVALID_INPUT", `The request was refused: ${rule}.`);
}

export interface Refusal {
  readonly secretKey: string;
  readonly error: TenantSecretsError;
}

export type Refusals = readonly [Refusal, ...Refusal[]];

/** Why one secret of a batch cannot be done; nothing where it can. */
export function refusalOf(secretKey: string, check: () => void): readonly Refusal[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof TenantSecretsError) return [{ secretKey, error }];
    throw error;
  }
}

/** The error of a batch, with the refusals of its secrets. */
export function batchError([first, ...others]: Refusals): TenantSecretsError {
  const failureOf = ({ secretKey, error: { code, message, currentVersion } }: Refusal): SecretFailure => ({
    secretKey,
    code,
    message,
    ...(currentVersion === undefined ? {} : { currentVersion }),
  });
  return batchRefused([failureOf(first), ...others.map(failureOf)]);
}
