import { startLocalKms } from "./index.ts";

// A KMS to try external keys with. Its key is in memory, and gone with the process.

const kms = await startLocalKms();
const { arn } = kms.addKey();
console.log(`A KMS with one key, until Ctrl-C. Start the product with

  AWS_KMS_URL=${kms.url} AWS_ACCESS_KEY_ID=${kms.credentials.accessKeyId} AWS_SECRET_ACCESS_KEY=${kms.credentials.secretAccessKey} npm start

and name this key: ${arn}`);
