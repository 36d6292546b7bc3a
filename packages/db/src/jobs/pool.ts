import { Pool } from "pg";

/**
 * A pool of the driver that the job runner speaks. It reads a URL as the other driver does: `sslmode=require` encrypts
 * and does not verify, `verify-full` does.
 *
 * @param onError a connection was lost; the pool makes another
 */
export function createPool(url: string, max: number, onError: (error: Error) => void): Pool {
  const compatible = new URL(url);
  if (compatible.searchParams.has("sslmode")) compatible.searchParams.set("uselibpqcompat", "true");
  const pool = new Pool({
    connectionString: compatible.href,
    max,
    connectionTimeoutMillis: 5000,
    application_name: "tenant-secrets jobs",
  });
  // Without a listener on both, a lost connection ends the process.
  pool.on("error", onError);
  pool.on("connect", (client) => client.on("error", onError));
  return pool;
}
