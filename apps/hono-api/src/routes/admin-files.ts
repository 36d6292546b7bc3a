import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** An asset in memory, in each encoding that the build wrote. */
interface Asset {
  readonly type: string;
  readonly bytes: Readonly<Record<Encoding, Uint8Array<ArrayBuffer>>>;
}

export type Encoding = "br" | "gzip" | "identity";

/** The built admin app. */
export interface AdminFiles {
  /** The HTML of every page, with this nonce where the build left a place for one. */
  readonly page: (nonce: string) => string;
  /** By file name. A name that is not in here reaches no file, whatever it spells. */
  readonly assets: ReadonlyMap<string, Asset>;
}

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** As apps/admin/vite.config.ts spells it. */
const noncePlace = "CSP_NONCE";

/**
 * Reads the app that apps/admin/build.ts wrote, once: some 500 kB.
 *
 * @returns undefined where the directory has no app
 * @throws {Error} where it is incomplete or has a file of an unknown type
 */
export function readAdminFiles(directory: string): AdminFiles | undefined {
  const indexFile = path.join(directory, "index.html");
  if (!existsSync(indexFile)) return undefined;
  const parts = readFileSync(indexFile, "utf8").split(noncePlace);
  const assetsDirectory = path.join(directory, "assets");
  const assets = new Map<string, Asset>();
  for (const name of readdirSync(assetsDirectory).filter((file) => !/\.(?:br|gz)$/.test(file))) {
    const type = types[path.extname(name)];
    if (type === undefined) throw new Error(`The admin app has a file of an unknown type: ${name}.`);
    const read = (suffix: string) => new Uint8Array(readFileSync(path.join(assetsDirectory, name + suffix)));
    assets.set(name, { type, bytes: { br: read(".br"), gzip: read(".gz"), identity: read("") } });
  }
  return { page: (nonce) => parts.join(nonce), assets };
}
