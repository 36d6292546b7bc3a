import { Pool } from "pg";
import { openDriver, poolConfig } from "../driver.ts";
import { parseDatabaseUrl, type DatabaseAddress } from "../url.ts";

const applicationName = "tenant-secrets jobs";

/**
 * A pool of the driver that the job runner speaks. That one knows one host: of several, the first that the other driver
 * reaches is taken.
 *
 * @param onError a connection was lost; the pool makes another
 * @throws {DatabaseUrlError} the driver's errors where there are several hosts and none is reached
 */
export async function createPool(url: string, max: number, onError: (error: Error) => void): Promise<Pool> {
  const address = await withOneHost(parseDatabaseUrl(url));
  const pool = new Pool({ ...poolConfig(address, applicationName), max });
  // Without a listener on both, a lost connection ends the process.
  pool.on("error", onError);
  pool.on("connect", (client) => client.on("error", onError));
  return pool;
}

async function withOneHost(address: DatabaseAddress): Promise<DatabaseAddress> {
  let reason: unknown;
  for (const host of address.hosts) {
    const alone = { ...address, hosts: [host] };
    if (address.hosts.length === 1) return alone;
    const sql = openDriver(alone, { max: 1, applicationName });
    try {
      await sql`select 1`;
      return alone;
    } catch (error) {
      reason = error;
    } finally {
      await sql.end({ timeout: 5 });
    }
  }
  throw reason;
}
