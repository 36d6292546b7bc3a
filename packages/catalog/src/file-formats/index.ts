export { parseEnvFile, writeEnvFile } from "./env-file.ts";
export type { FileEntry } from "./file-text.ts";
export { type Comparison, planImport, type PlannedEntry } from "./import-plan.ts";
export { parseJsonFile, writeJsonFile } from "./json-file.ts";
