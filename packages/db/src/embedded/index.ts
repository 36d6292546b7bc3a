export { findFreePort } from "./free-port.ts";
export { writePasswordFile } from "./password-file.ts";
export { usableDataDir } from "./own-directory.ts";
export { startEmbeddedPostgres } from "./server.ts";
export type { EmbeddedPostgres, EmbeddedPostgresOptions } from "./server.ts";
