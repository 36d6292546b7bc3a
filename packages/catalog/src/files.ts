// What a page reads files and values with, before anything is sent. It loads no zod, which would be a quarter of the page.

export { nearestKey } from "./catalog/nearest-key.ts";
export { brokenString, brokenText, damageOf, utf8Bytes } from "./catalog/value-text.ts";
export { readEnvEntries } from "./file-formats/env-file.ts";
export type { FileEntry } from "./file-formats/file-text.ts";
export { parseJsonFile } from "./file-formats/json-file.ts";
export { recipientsFault } from "./vocabulary/age-recipients.ts";
export { TenantSecretsError } from "./vocabulary/errors.ts";
export { patternCovers, secretKeyPattern } from "./vocabulary/patterns.ts";
