import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";
import { print, printJson } from "../output.ts";
import { readText } from "../text-file.ts";
import { hashFile, otherFile } from "./exported-file.ts";
import { withShredding } from "./keys-shred.ts";
import { receiptText } from "./receipt-text.ts";

export const verifyReceiptCommand = defineCommand({
  positionals: [],
  options: {
    input: {
      type: "string",
      required: true,
      value: "file",
      help: "The receipt: the file with its text and its signature",
    },
    "public-key": {
      type: "string",
      value: "file",
      help: "The public key, as keys public-key printed it: needs no database and no credential",
    },
    file: {
      type: "string",
      value: "file",
      help: "With the receipt of an export: the encrypted file, to see whether the receipt is about it",
    },
  },
  details: `Says whether a receipt is as it was signed, and what it says: of an encrypted export, a shredding, a
deletion, or a company that is gone from a region. With --public-key this works anywhere; without it, the key is this deployment's own, which is for operators.`,
  examples: [
    "keys verify-receipt --input receipt.json --public-key public-key.pem",
    "keys verify-receipt --input acmecorp.receipt.json --file acmecorp.age --public-key public-key.pem",
  ],
  run: async ({ input, file, json, ...values }) => {
    const text = await readText("input", input);
    const keyFile = values["public-key"];
    const publicKey =
      keyFile === undefined
        ? await withShredding((shredding, caller) => shredding.publicKey(caller, text))
        : await readText("public-key", keyFile);
    const { verifyReceipt } = await import("@repo/tenant-secrets/operator");
    const content = verifyReceipt(text, publicKey);
    if (file !== undefined) {
      if (content.format !== "tenant-secrets-export/1")
        throw new UsageError("--file goes with the receipt of an export, and this is another one.");
      if ((await hashFile("file", file)) !== content.file.sha256) throw otherFile();
    }
    if (json) return printJson(content);
    const isGenuine = `The receipt is genuine${file === undefined ? "" : ", and about this file"}.`;
    print(`${isGenuine}\n${receiptText(content)}`);
  },
});
