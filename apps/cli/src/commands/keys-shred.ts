import type { Caller, Services } from "@repo/tenant-secrets";
import type { ShreddingReceipt, SignedReceipt } from "@repo/tenant-secrets/operator";
import { defineCommand } from "../command.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { writeNewFile } from "../new-file.ts";
import { print, printJson, remark } from "../output.ts";
import { newFile } from "./common-options.ts";
import { confirmedEnding, endingOptions } from "./company-ending.ts";
import { shreddingText } from "./receipt-text.ts";

const output = newFile("the receipt");

export const shredCommand = defineCommand({
  positionals: ["subdomain"],
  options: {
    ...endingOptions,
    output,
  },
  details: `Destroys a company's keys, so that its values cannot be decrypted, and with them last characters, fingerprints and the
company's own API keys. This cannot be undone. Prints a signed receipt that says what was destroyed, what is left where
(backups of the database above all), and by when that is gone. Run again, it changes nothing and gives the same receipt.
Works on the database itself and not through an API. For operators. docs/shredding.md has the whole procedure.`,
  examples: [
    "keys shred acmecorp --backups-kept-days 30 --output receipt.json",
    "keys shred acmecorp --backups-kept-days 30 --with-infisical-folder --yes --confirm acmecorp",
  ],
  run: async ({ subdomain, json, ...values }) => {
    const effect = `This destroys every secret of ${subdomain}, for good.`;
    const options = await confirmedEnding(subdomain, effect, values);
    await give(values.output, json, (shredding, caller) => shredding.shred(caller, subdomain, options));
  },
});

export const receiptCommand = defineCommand({
  positionals: ["subdomain"],
  options: { output },
  details: `Gives the receipt of a company that was shredded once more, as "keys shred" did. Works on the database itself and
not through an API. For operators.`,
  examples: ["keys receipt acmecorp --output receipt.json"],
  run: ({ subdomain, json, ...values }) =>
    give(values.output, json, (shredding, caller) => shredding.receipt(caller, subdomain)),
});

export const publicKeyCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Prints the public key that receipts can be checked with, in PEM. Publish it where recipients of receipts can find
it without asking you. Works on the database itself and not through an API. For operators.`,
  examples: ["keys public-key > public-key.pem"],
  run: async ({ json }) => {
    const publicKey = await withShredding((shredding, caller) => shredding.publicKey(caller));
    if (json) printJson({ publicKey });
    else print(publicKey.trimEnd());
  },
});

type Shredding = Services["shredding"];

/** Writes the receipt to a file or standard output, and its summary to standard error. */
async function give(
  path: string | undefined,
  json: boolean,
  work: (shredding: Shredding, caller: Caller) => Promise<SignedReceipt>,
): Promise<void> {
  if (path === undefined) {
    const signed = await withShredding(work);
    printJson(signed);
    if (!json) remark(shreddingText(await contentOf(signed)));
    return;
  }
  let signed: SignedReceipt | undefined;
  await writeNewFile(path, async () => {
    signed = await withShredding(work);
    return `${JSON.stringify(signed)}\n`;
  });
  if (json) printJson({ output: path });
  else if (signed !== undefined)
    print(`The receipt is in ${path}.\n${shreddingText(await contentOf(signed))}`);
}

async function contentOf({ receipt }: SignedReceipt): Promise<ShreddingReceipt> {
  const { readReceipt, ShreddingReceipt: Content } = await import("@repo/tenant-secrets/operator");
  return readReceipt(Content, receipt);
}

/** As an operator on the database itself. */
export async function withShredding<T>(
  work: (shredding: Shredding, caller: Caller) => Promise<T>,
): Promise<T> {
  rejectApiUrl("Companies are not shredded");
  return asOperator((secrets, caller) => work(secrets.shredding, caller));
}
