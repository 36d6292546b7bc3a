import { batchRefused, TenantSecretsError, type SecretFailure } from "../vocabulary/errors.ts";
import type { Catalog, SecretKeyOf, ValueOf } from "./catalog.ts";
import type { Freshness } from "../operations/secret-reads.ts";
import type { TextWrite } from "../operations/secret-writes.ts";
import type { CompanySecrets, SecretTransport, SecretValues, SetManyOptions } from "./company-secrets.ts";
import { withActiveValue } from "./active-value.ts";
import { decodeValue, encodeValue } from "./value.ts";

/** Puts the catalogue's types on a transport. */
export function companySecrets<C extends Catalog>(catalog: C, transport: SecretTransport): CompanySecrets<C> {
  const get = async <K extends SecretKeyOf<C>>(secretKey: K, options?: Freshness): Promise<ValueOf<C, K>> => {
    catalog.get(secretKey);
    const local = options?.maxAgeMs === undefined ? transport.local?.read(secretKey) : undefined;
    const found = local ?? transport.read({ secretKey, ...options }).then(({ value }) => value);
    return decodeValue(catalog, secretKey, typeof found === "string" ? found : await found);
  };
  const useBytes: CompanySecrets<C>["useBytes"] = async (secretKey, work) => {
    catalog.get(secretKey);
    return withActiveValue(transport, secretKey, work);
  };
  return {
    get,
    read: async (secretKey, options) => {
      catalog.get(secretKey);
      const found = await transport.read({ secretKey, ...options });
      return { ...found, value: decodeValue(catalog, secretKey, found.value) };
    },
    find: async (secretKey, options) => {
      try {
        return await get(secretKey, options);
      } catch (error) {
        if (error instanceof TenantSecretsError && error.code === "NOT_FOUND") return undefined;
        throw error;
      }
    },
    getMany: async <K extends SecretKeyOf<C>>(secretKeys: readonly K[], options?: Freshness) => {
      for (const secretKey of secretKeys) catalog.get(secretKey);
      const texts = new Map(
        (await transport.readMany({ secretKeys, ...options })).map(({ secretKey, value }) => [
          secretKey,
          value,
        ]),
      );
      const values: { [Key in K]?: ValueOf<C, Key> } = {};
      for (const secretKey of secretKeys) {
        const text = texts.get(secretKey);
        const value = text === undefined ? undefined : decodeUsable(catalog, secretKey, text);
        if (value !== undefined) values[secretKey] = value;
      }
      return values;
    },
    set: async (secretKey, value, options) =>
      transport.write({ secretKey, value: encodeValue(catalog, secretKey, value), ...options }),
    setMany: async (values, options = {}) =>
      transport.writeMany({ writes: encodeValues(catalog, values, options), requestId: options.requestId }),
    use: (secretKey, work) =>
      useBytes(secretKey, (bytes) => work(decodeValue(catalog, secretKey, textOf(bytes)))),
    useBytes,
    list: (options = {}) => transport.list(options),
    capabilities: () => transport.capabilities({}),
    history: (secretKey, options) => transport.history({ secretKey, ...options }),
    stage: async (secretKey, value, options) =>
      transport.stage({ secretKey, value: encodeValue(catalog, secretKey, value), ...options }),
    promote: (secretKey, options) => transport.promote({ secretKey, ...options }),
    discard: (secretKey, options) => transport.discard({ secretKey, ...options }),
    rollback: (secretKey, options) => transport.rollback({ secretKey, ...options }),
    setExpiry: (secretKey, expiry) => transport.setExpiry({ secretKey, ...expiry }),
    remove: (secretKey, options) => transport.remove({ secretKey, ...options }),
    restore: (secretKey, options) => transport.restore({ secretKey, ...options }),
    purge: (secretKey, options) => transport.purge({ secretKey, ...options }),
  };
}

/** @throws {TenantSecretsError} UNKNOWN_SECRET_KEY; INVALID_VALUE, with each value that was refused in `failures` */
function encodeValues<C extends Catalog>(
  catalog: C,
  values: SecretValues<C>,
  { note, graceSeconds, endGrace, expectedVersions = {} }: SetManyOptions,
): readonly TextWrite[] {
  const writes: TextWrite[] = [];
  const failures: SecretFailure[] = [];
  for (const [secretKey, value] of entriesOf(values)) {
    // A text that is no secret key may be a value: it is refused alone, and not named.
    catalog.get(secretKey);
    const options = { expectedVersion: expectedVersions[secretKey], note, graceSeconds, endGrace };
    try {
      writes.push({ secretKey, value: encodeValue(catalog, secretKey, value), ...options });
    } catch (error) {
      if (!(error instanceof TenantSecretsError)) throw error;
      failures.push({ secretKey, code: error.code, message: error.message });
    }
  }
  const [first, ...others] = failures;
  if (first !== undefined) throw batchRefused([first, ...others]);
  return writes;
}

/** `SecretValues` has no fields but these, each with its own key's value. */
function entriesOf<C extends Catalog>(
  values: SecretValues<C>,
): readonly (readonly [SecretKeyOf<C>, ValueOf<C, SecretKeyOf<C>>])[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return Object.entries(values) as [SecretKeyOf<C>, ValueOf<C, SecretKeyOf<C>>][];
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Left out of several is what is not of the form that its type promises, as Infisical may have it; asked for alone, it says so. */
function decodeUsable<C extends Catalog, K extends SecretKeyOf<C>>(
  catalog: C,
  secretKey: K,
  text: string,
): ValueOf<C, K> | undefined {
  try {
    return decodeValue(catalog, secretKey, text);
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === "INVALID_VALUE") return undefined;
    throw error;
  }
}
