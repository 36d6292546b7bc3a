export {
  brokenString,
  brokenText,
  damageOf,
  type FileEntry,
  nearestKey,
  parseJsonFile,
  readEnvEntries,
  TenantSecretsError,
  utf8Bytes,
} from "@repo/catalog/files";
