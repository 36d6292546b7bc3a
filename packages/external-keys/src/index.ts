export { createAwsKms } from "./aws-kms.ts";
export {
  ExternalKeyFailure,
  type ExternalKeyFault,
  type ExternalKeys,
  type KeyContext,
} from "./external-keys.ts";
export { parseKeyArn } from "./key-arn.ts";
