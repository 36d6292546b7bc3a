export {
  brokenString,
  brokenText,
  damageOf,
  type FileEntry,
  nearestKey,
  parseJsonFile,
  patternCovers,
  readEnvEntries,
  recipientsFault,
  secretKeyPattern,
  TenantSecretsError,
  utf8Bytes,
} from "@repo/catalog/files";
