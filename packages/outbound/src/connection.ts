import { connect as connectTcp, isIP, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { OutboundError } from "./outbound-error.ts";
import type { Target } from "./target.ts";

export interface ConnectionOptions {
  /** The addresses that were vetted: the connection goes to one of them, and no name is looked up again. */
  readonly addresses: readonly string[];
  readonly timeoutMs: number;
  /** Ends the connection at any time, also after it was opened. */
  readonly signal: AbortSignal;
  /** In place of the certificate authorities of Node.js. */
  readonly ca: string | undefined;
}

/**
 * How long one of several addresses has before the next one is tried. The 250 of Node.js give up hosts on another continent,
 * of which all addresses but the last would fail.
 */
const attemptMs = 1000;

/**
 * Opens a connection for one request. For https it is encrypted, and the certificate is valid for the host, when this returns.
 * Variables of the environment neither send it through a proxy nor accept a certificate.
 *
 * @throws {OutboundError} CONNECT, TLS or TIMEOUT
 */
export async function openConnection(target: Target, options: ConnectionOptions): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isConnected = false;
  const place = {
    host: target.host,
    port: target.port,
    lookup: answerWith(options.addresses),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: attemptMs,
  };
  const socket = target.isEncrypted
    ? connectTls({
        ...place,
        // An IP address is no server name; its certificate is compared with the host.
        servername: isIP(target.host) === 0 ? target.host : "",
        rejectUnauthorized: true,
        minVersion: "TLSv1.2",
        ALPNProtocols: ["http/1.1"],
        ...(options.ca === undefined ? {} : { ca: options.ca }),
      })
    : connectTcp(place);
  socket.once("connect", () => {
    isConnected = true;
  });
  socket.once(target.isEncrypted ? "secureConnect" : "connect", () => resolve());
  // Stays for as long as the socket: an error after the answer concerns nothing any more.
  socket.on("error", () => reject(new OutboundError(isConnected ? "TLS" : "CONNECT")));
  const end = (): void => {
    reject(new OutboundError("TIMEOUT"));
    socket.destroy();
  };
  options.signal.addEventListener("abort", end, { once: true });
  // The signal is that of a deadline: without this, it would hold the buffers of a connection that has long ended.
  socket.once("close", () => options.signal.removeEventListener("abort", end));
  if (options.signal.aborted) end();
  const timer = setTimeout(end, options.timeoutMs);
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Node.js does not call it for a host that is an IP address: such a host is vetted by itself. */
function answerWith(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  const [first] = all;
  return (_host, { all: isAll }, callback) => {
    if (first === undefined) callback(new Error("There is no address."), "");
    else if (isAll === true) callback(null, all);
    else callback(null, first.address, first.family);
  };
}
