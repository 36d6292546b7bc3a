import { Resolver } from "node:dns/promises";

/**
 * The IPv4 and IPv6 addresses of a name. None where the name has none.
 *
 * @throws where it could not be found out
 */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Answers that say that there is no such record. */
const noRecord = new Set(["ENOTFOUND", "ENODATA"]);

/**
 * Asks DNS itself: no hosts file and no search domain can make a public name a private one, and a slow server keeps no thread
 * that other work of this process needs.
 *
 * @param servers `address:port` in place of the machine's own
 */
export function createDnsResolve(servers?: readonly string[]): Resolve {
  return async (host) => {
    // A resolver of its own for each look-up follows changes of the machine's servers.
    const resolver = new Resolver({ timeout: 1000, tries: 2 });
    if (servers !== undefined) resolver.setServers(servers);
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    const isKnown = answers.every((answer) => answer.status === "fulfilled" || saysNone(answer.reason));
    if (addresses.length === 0 && !isKnown) throw new Error("The look-up failed.");
    return addresses;
  };
}

function saysNone(error: unknown): boolean {
  return error instanceof Error && "code" in error && noRecord.has(String(error.code));
}
