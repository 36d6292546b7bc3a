import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { InfisicalEmulator } from "@repo/infisical/emulator";
import { TenantSecretsError } from "@repo/catalog";

/** Something that a test lets happen for a while. */
export interface Outage {
  /** What is under way breaks off, and what begins is refused. */
  begin(): Promise<void>;
  /** Resolves once it is reached again. @throws {Error} where that takes more than 30 s */
  end(): Promise<void>;
}

interface Urls {
  readonly application: string;
  readonly maintenance: string;
  readonly listener: string;
}

export interface DatabaseOutage {
  /** Of the database, by way of what can break. */
  readonly urls: {
    readonly applicationUrl: string;
    readonly maintenanceUrl: string;
    readonly listenerUrl: string;
  };
  until(isReached: () => Promise<boolean>): Outage;
  /** Ends an outage, without waiting. */
  over(): void;
  stop(): Promise<void>;
}

/** Between the product and a server of this machine. @param urls undefined for a database that this is not between */
export async function databaseOutage(urls: Urls | undefined): Promise<DatabaseOutage> {
  const away = new URL(urls?.application ?? "postgres://127.0.0.1:1");
  const open = new Set<Socket>();
  let isDown = false;
  const server = createServer((client) => {
    if (isDown) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(away.port), away.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.pipe(other);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? String(address?.port) : "";
  const through = (url: string): string => {
    const changed = new URL(url);
    changed.host = `127.0.0.1:${port}`;
    return changed.href;
  };
  const breakOff = () => open.forEach((socket) => socket.destroy());
  return {
    urls: {
      applicationUrl: through(urls?.application ?? away.href),
      maintenanceUrl: through(urls?.maintenance ?? away.href),
      listenerUrl: through(urls?.listener ?? away.href),
    },
    until: (isReached) => ({
      begin: async () => {
        if (urls === undefined) {
          throw new TenantSecretsError(
            "NOT_SUPPORTED",
            "A database of your own has no outage here: stop it yourself.",
          );
        }
        isDown = true;
        breakOff();
      },
      end: async () => {
        isDown = false;
        await reached(isReached);
      },
    }),
    over: () => {
      isDown = false;
    },
    stop: async () => {
      breakOff();
      server.close();
      await once(server, "close");
    },
  };
}

export function infisicalOutage({ faults }: InfisicalEmulator, ping: () => Promise<unknown>): Outage {
  return {
    begin: async () => faults.add({ kind: "reset" }, { times: Infinity }),
    end: async () => {
      faults.clear();
      await reached(async () => {
        await ping();
        return true;
      });
    },
  };
}

async function reached(look: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await look().catch(() => false))) {
    if (performance.now() > deadline) throw new Error("It was not reached again within 30 s.");
    await sleep(50);
  }
}
