export {
  type CompanyKey,
  deriveCompanyKey,
  deriveMasterKey,
  deriveValueKey,
  expandMasterKey,
  fingerprint,
  type MasterKey,
  requestMac,
  sameCheckValue,
} from "./derivation.ts";
export { encodeFields, fromBase64url, toBase64url } from "./encoding.ts";
export {
  destroyedValue,
  integrityFailure,
  type KeyPlace,
  openParts,
  openValue,
  parseValue,
  type SealedParts,
  sealValue,
  unwrapKey,
  type ValuePlace,
  wrapKey,
} from "./envelope.ts";
export { headMac, type HeadState, headStateOf, isGenuineHead } from "./head-mac.ts";
export { ifIntact } from "./intact.ts";
export { openLegacyValue } from "./legacy.ts";
export {
  Argon2Parameters,
  deriveFromPassphrase,
  isPassphrase,
  newArgon2Parameters,
  passphraseFault,
} from "./passphrase.ts";
export { Plaintext } from "./plaintext.ts";
export { isGenuineRow, type RowKey, rowMac, rowName, type RowState } from "./row-mac.ts";
