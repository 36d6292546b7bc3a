import { isIP } from "node:net";
import { bareHost, createAllowList } from "./allow-list.ts";
import { openConnection } from "./connection.ts";
import { createDnsResolve, type Resolve } from "./dns.ts";
import { exchange, type OutboundAnswer, type OutboundRequest } from "./exchange.ts";
import { OutboundError } from "./outbound-error.ts";
import { isIn, isPublic, ownAddresses, parseNetwork } from "./public-address.ts";
import { AddressRefused, refusalOf, type OutboundRefusal } from "./refusal.ts";
import { assertPublicName, targetOf, type Target, type TargetRules } from "./target.ts";

export interface OutboundOptions {
  /** `host:port` that may be private, named by an IP address, on another port and without encryption: OUTBOUND_ALLOW. */
  readonly allow?: readonly string[] | undefined;
  /** Networks such as `203.0.113.0/24` that are never connected to, not even for what `allow` names: OUTBOUND_DENY. */
  readonly deny?: readonly string[] | undefined;
  /** Domains of this deployment: no address is in them. */
  readonly ownDomains?: readonly string[] | undefined;
  /** DNS. */
  readonly resolve?: Resolve | undefined;
  /** How long a look-up may take. Default: 3,000. */
  readonly resolveTimeoutMs?: number | undefined;
  /** Certificates of authorities as PEM, in place of those of Node.js. */
  readonly ca?: string | undefined;
  /** The port of addresses that `allow` does not name; another one than 443 is for tests. */
  readonly port?: number | undefined;
}

/** Connects to addresses that a tenant, a template or a driver names, and to no host that is not public. */
export interface Outbound {
  /**
   * Judges an address when it is saved. The name is looked up.
   *
   * @returns undefined for a good one
   */
  check(url: string): Promise<OutboundRefusal | undefined>;

  /**
   * Sends one request over a connection of its own. The address is judged again, and the connection goes to an address that
   * was judged. No redirect is followed, no proxy of the environment used, no cookie kept, nothing decompressed.
   *
   * @throws {OutboundError}
   */
  fetch(url: string, request: OutboundRequest): Promise<OutboundAnswer>;

  /**
   * The addresses of a host for another protocol than HTTP, such as PostgreSQL. Connect to one of them, by address, and verify
   * the certificate for the host.
   *
   * @param port the port that is connected to; any is accepted
   * @throws {OutboundError} ADDRESS or RESOLVE
   */
  addressesOf(host: string, port: number): Promise<readonly string[]>;
}

/** As many addresses as one name may have. */
const mostAddresses = 16;

/** @throws {TypeError} where `allow` or `deny` holds what is not of their form, without quoting it */
export function createOutbound({
  allow = [],
  deny = [],
  ownDomains = [],
  resolve = createDnsResolve(),
  resolveTimeoutMs = 3000,
  ca,
  port = 443,
}: OutboundOptions = {}): Outbound {
  const denied = deny.map((text) => {
    const network = parseNetwork(text);
    if (network === undefined) throw new TypeError("An entry of the list of denied networks is not a CIDR.");
    return network;
  });
  const rules: TargetRules = {
    allowed: createAllowList(allow),
    ownDomains: ownDomains.map((domain) => domain.toLowerCase().replace(/\.$/, "")),
    port,
  };

  /** @throws {AddressRefused} */
  async function vettedAddresses({ host, isAllowed }: Pick<Target, "host" | "isAllowed">) {
    const addresses = isIP(host) === 0 ? await lookUp(host) : [host];
    if (addresses.length === 0) throw new AddressRefused("NOT_PUBLIC", { hasNone: true });
    if (addresses.length > mostAddresses) throw new AddressRefused("NOT_PUBLIC");
    const own = isAllowed ? [] : ownAddresses();
    const areGood = addresses.every(
      (address) => !isIn(address, denied) && (isAllowed || isPublic(address, own)),
    );
    if (!areGood) throw new AddressRefused("NOT_PUBLIC");
    return addresses;
  }

  /** @throws {AddressRefused} NOT_RESOLVED */
  async function lookUp(host: string): Promise<readonly string[]> {
    try {
      return await unlessAborted(resolve(host), AbortSignal.timeout(resolveTimeoutMs));
    } catch {
      throw new AddressRefused("NOT_RESOLVED");
    }
  }

  return {
    async check(url) {
      try {
        await vettedAddresses(targetOf(url, rules));
        return undefined;
      } catch (error) {
        if (error instanceof AddressRefused) return refusalOf(error.code);
        throw error;
      }
    },

    async fetch(url, request) {
      const { signal, connectTimeoutMs = 5000, timeoutMs = 15_000 } = request;
      const deadline = AbortSignal.timeout(timeoutMs);
      const ended = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
      try {
        const target = targetOf(url, rules);
        const addresses = await unlessAborted(vettedAddresses(target), ended);
        const socket = await openConnection(target, {
          addresses,
          timeoutMs: connectTimeoutMs,
          signal: ended,
          ca,
        });
        try {
          return await exchange(socket, target, request);
        } finally {
          socket.destroy();
        }
      } catch (error) {
        if (signal?.aborted === true) throw new OutboundError("ABORTED");
        if (deadline.aborted) throw new OutboundError("TIMEOUT", statusOf(error));
        throw error instanceof AddressRefused ? sendErrorOf(error) : error;
      }
    },

    async addressesOf(host, hostPort) {
      try {
        const url = URL.parse(`https://${isIP(host) === 6 ? `[${host}]` : host}/`);
        if (url === null || url.href !== `https://${url.hostname}/`) throw new AddressRefused("BAD_HOST");
        const name = bareHost(url);
        const isAllowed = rules.allowed.has(name, hostPort);
        if (!isAllowed) assertPublicName(name, rules.ownDomains);
        return await vettedAddresses({ host: name, isAllowed });
      } catch (error) {
        throw error instanceof AddressRefused ? sendErrorOf(error) : error;
      }
    },
  };
}

function sendErrorOf({ code, hasNone }: AddressRefused): OutboundError {
  return new OutboundError(code === "NOT_RESOLVED" || hasNone ? "RESOLVE" : "ADDRESS");
}

function statusOf(error: unknown): number | undefined {
  return error instanceof OutboundError ? error.status : undefined;
}

/** Rejects where the signal aborts first. The work goes on, and its result is dropped. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  if (signal.aborted) reject(signal.reason);
  return Promise.race([work, promise]);
}
