export { parseEnvFile } from "./env-file.ts";
export { writeEnvFile } from "./env-file-writer.ts";
export type { FileEntry } from "./file-text.ts";
export { type Comparison, planImport, type PlannedEntry } from "./import-plan.ts";
export { parseJsonFile, writeJsonFile } from "./json-file.ts";
