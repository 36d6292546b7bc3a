export { sameBytes } from "./bytes.ts";
export {
  type CompanyKey,
  companyKeyCheck,
  deriveCompanyKey,
  deriveEndpointKeys,
  deriveMailKey,
  deriveMasterKey,
  deriveValueKey,
  ed25519KeyOf,
  ed25519PublicBytes,
  type EndpointKeys,
  expandMasterKey,
  fingerprint,
  type MasterKey,
  requestMac,
  type WebhookKey,
} from "./derivation.ts";
export { encodeFields, fromBase64url, toBase64url } from "./encoding.ts";
export {
  destroyedValue,
  integrityFailure,
  type KeyPlace,
  decryptMail,
  decryptParts,
  decryptValue,
  parseValue,
  type EncryptedParts,
  encryptMail,
  encryptValue,
  type ExternalWrap,
  isExternalWrap,
  rewrapKey,
  unwrapExternal,
  unwrapKey,
  type ValuePlace,
  wrapExternal,
  wrapKey,
} from "./envelope.ts";
export { headMac, type HeadCanary, type HeadState, headStateOf, isGenuineHead } from "./head-mac.ts";
export { x25519KeyOf, x25519PublicBytes } from "./hpke.ts";
export { undefinedIfCorrupt } from "./intact.ts";
export { decryptLegacyValue } from "./legacy.ts";
export {
  Argon2Parameters,
  deriveFromPassphrase,
  isPassphrase,
  newArgon2Parameters,
  passphraseFault,
} from "./passphrase.ts";
export { Plaintext } from "./plaintext.ts";
export { isGenuineRow, type RowKey, rowMac, rowName, type RowState } from "./row-mac.ts";
export {
  type CopyState,
  decryptFromRegion,
  encryptToRegion,
  isSignedCopy,
  regionFingerprint,
  type RegionIdentity,
  signCopy,
  type TransportPlace,
} from "./regions.ts";
