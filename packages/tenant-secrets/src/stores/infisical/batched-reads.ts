import { InfisicalError, type InfisicalClient } from "@repo/infisical";

export interface OutsideSecret {
  readonly value: string;
  readonly version: number;
}

/** @throws {InfisicalError} */
type ReadValue = (path: string, name: string) => Promise<OutsideSecret | undefined>;

/**
 * Reads values of folders. Reads of several secrets of one folder in one turn of the event loop are one list request, and a read
 * of one secret is a request for that secret. A name that is read twice in one turn is requested once. Where a value of the
 * folder may not be read, Infisical refuses the whole list, and each secret is requested alone.
 */
export function createFolderReader(infisical: InfisicalClient): ReadValue {
  let waiting = new Map<string, Map<string, PromiseWithResolvers<OutsideSecret | undefined>>>();

  const readAll = (): void => {
    const folders = waiting;
    waiting = new Map();
    for (const [path, names] of folders) void readFolder(path, names);
  };

  const readFolder: (...folder: [...Parameters<typeof readEach>]) => Promise<void> = async (path, names) => {
    try {
      const found = await readEach(path, names);
      for (const [name, { resolve }] of names) resolve(found.get(name));
    } catch (error) {
      const isKeptBack = error instanceof InfisicalError && error.code === "FORBIDDEN";
      if (isKeptBack && names.size > 1) {
        await Promise.all(Array.from(names, (each) => readFolder(path, new Map([each]))));
      } else for (const { reject } of names.values()) reject(error);
    }
  };

  const readEach = async (
    path: string,
    names: ReadonlyMap<string, PromiseWithResolvers<OutsideSecret | undefined>>,
  ): Promise<ReadonlyMap<string, OutsideSecret>> => {
    const [name] = names.keys();
    if (name === undefined || names.size > 1) {
      const secrets = await infisical.listSecrets(path);
      return new Map(secrets.map((secret) => [secret.secretKey, secret]));
    }
    const secret = await infisical.findSecret(path, name);
    return new Map(secret === undefined ? [] : [[name, secret]]);
  };

  return (path, name) => {
    if (waiting.size === 0) setImmediate(readAll);
    const names = waiting.get(path) ?? new Map<string, PromiseWithResolvers<OutsideSecret | undefined>>();
    waiting.set(path, names);
    const asked = names.get(name) ?? Promise.withResolvers<OutsideSecret | undefined>();
    names.set(name, asked);
    return asked.promise;
  };
}
