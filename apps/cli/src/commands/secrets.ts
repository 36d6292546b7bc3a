import { type CopyMark, type SecretDescription, vaultOperations } from "@repo/catalog";
import { withApi } from "../api.ts";
import { asks, confirm, maxAgeOf, versionOf, wholeNumber } from "../arguments.ts";
import { defineCommand, fieldOption } from "../command.ts";
import { actorText, minute, print, printJson, printValue, remark, table } from "../output.ts";
import { company, expectedVersion, maxAge, requestId } from "./common-options.ts";

const operations = vaultOperations;

export const getCommand = defineCommand({
  positionals: ["secretKey"],
  options: { company, "max-age": maxAge },
  details: `Writes the value to standard output byte for byte, and nothing after it. On a terminal a newline follows,
and characters that would act on the terminal are escaped. Every read is in the audit log. In a region that has copies of a company
that is at home in another one, standard error says where the copy is from, and how old it can be.`,
  examples: [
    "get STRIPE_SECRET_KEY --company acmecorp",
    'export STRIPE_SECRET_KEY="$(pnpm secrets get STRIPE_SECRET_KEY --company acmecorp)"',
    "get OAUTH_GOOGLE --company acmecorp --json",
  ],
  run: async ({ secretKey, company: subdomain, json, "max-age": maxAgeText }) => {
    const maxAgeMs = maxAgeOf(maxAgeText);
    const { value, version, copy } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.read.mutate({ company: subdomain, secretKey, maxAgeMs }),
    );
    if (json) return printJson({ company: subdomain, secretKey, version, value, copy });
    remarkOnCopy(copy);
    printValue(value);
  },
});

function remarkOnCopy(copy: CopyMark | undefined): void {
  if (copy === undefined) return;
  const age =
    copy.ageMs === undefined ? "of an unknown age" : `at most ${(copy.ageMs / 1000).toFixed(1)} s old`;
  remark(`A copy from region ${copy.homeRegion}, ${age}.`);
}

export const listCommand = defineCommand({
  positionals: [],
  options: {
    company,
    "expires-within": fieldOption(operations.list.input.shape.expiresWithinDays, {
      type: "string",
      value: "days",
      field: "expiresWithinDays",
    }),
    "max-age": maxAge,
  },
  details: `Lists the secrets that the credential may describe, never a value. The hint is the end of a value, if the catalogue
allows it; PENDING is the version that "promote" would make current; LAST USED is to the hour; ROTATION is when the next one is
due, or what the one that is under way does. Secrets marked "not in the
catalogue" can only be removed; those marked "no name for a secret here" are in Infisical under a name that is not valid
here, and can only be renamed or deleted there.`,
  examples: ["list --company acmecorp", "list --company acmecorp --expires-within 30"],
  run: async ({ company: subdomain, json, ...values }) => {
    const expiresWithinDays = wholeNumber("expires-within", values["expires-within"]);
    const maxAgeMs = maxAgeOf(values["max-age"]);
    const list = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.list.query({ company: subdomain, expiresWithinDays, maxAgeMs }),
    );
    if (json) return printJson({ company: subdomain, ...list });
    remarkOnCopy(list.copy);
    if (list.missing !== undefined)
      remark(
        `Not complete: Infisical could not be asked. Secrets of ${subdomain} that are only there are missing; these are the ones in the database.`,
      );
    if (list.secrets.length === 0)
      return print(
        expiresWithinDays === undefined
          ? `${subdomain} has no secrets that this credential may know of.`
          : `No secret of ${subdomain} that this credential may know of expires within ${expiresWithinDays} days.`,
      );
    const isRotated = list.secrets.some(({ rotation }) => rotation !== undefined);
    print(
      table(
        [
          "SECRET KEY",
          "VERSION",
          "PENDING",
          "LOCATION",
          "LAST FOUR",
          "UPDATED",
          "EXPIRES",
          "LAST USED",
          "CHECK",
          ...(isRotated ? ["ROTATION"] : []),
          "",
        ],
        list.secrets.map((secret) => [
          secret.secretKey,
          String(secret.version),
          secret.pendingVersion === undefined ? "" : String(secret.pendingVersion),
          secret.location,
          secret.lastFour === undefined ? "" : `…${secret.lastFour}`,
          minute(secret.updatedAt),
          secret.expiresAt === undefined ? "" : minute(secret.expiresAt),
          secret.lastUsedAt === undefined ? "" : minute(secret.lastUsedAt),
          secret.check === undefined ? "" : `${secret.check.result} ${minute(secret.check.checkedAt)}`,
          ...(isRotated ? [rotationText(secret.rotation)] : []),
          secret.usable === false
            ? "no name for a secret here"
            : secret.inCatalog
              ? ""
              : "not in the catalogue",
        ]),
      ),
    );
  },
});

export const removedCommand = defineCommand({
  positionals: [],
  options: { company },
  details: `Lists the removed secrets that "restore" can bring back. Those that Infisical alone has are forgotten when they are
removed.`,
  examples: ["removed --company acmecorp"],
  run: async ({ company: subdomain, json }) => {
    const list = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.removed.query({ company: subdomain }),
    );
    if (json) return printJson({ company: subdomain, ...list });
    if (list.secrets.length === 0)
      return print(`${subdomain} has no removed secrets that this credential may know of.`);
    print(
      table(
        ["SECRET KEY", "VERSION", "REMOVED", "BY", "RESTORABLE UNTIL"],
        list.secrets.map(({ secretKey, version, removedAt, removedBy, restorableUntil }) => [
          secretKey,
          String(version),
          minute(removedAt),
          removedBy === undefined ? "" : actorText(removedBy),
          minute(restorableUntil),
        ]),
      ),
    );
  },
});

export const removeCommand = defineCommand({
  positionals: ["secretKey"],
  options: {
    company,
    "expected-version": expectedVersion,
    "request-id": requestId,
    "in-infisical": fieldOption(operations.remove.input.shape.inInfisical, { type: "boolean" }),
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Asks before it does so; where there is no terminal to ask at, --yes is needed. In the database a removed
secret can be restored for a while, and the answer says until when: see "restore". Infisical forgets it at once. Of a hybrid
company the secret is removed here, and Infisical keeps what it has, which is not seen from here any more: the answer says so, and
--in-infisical deletes it there too, also after it was removed here.`,
  examples: [
    "remove STRIPE_SECRET_KEY --company acmecorp",
    "remove CUSTOM_OLD_KEY --company acmecorp --yes",
    "remove CUSTOM_OLD_KEY --company acmecorp --in-infisical",
  ],
  run: async (values) => {
    const { secretKey, company: subdomain, yes, json } = values;
    const options = {
      expectedVersion: versionOf(values["expected-version"]),
      requestId: values["request-id"],
      inInfisical: values["in-infisical"] ? true : undefined,
    };
    await confirm(`Remove ${secretKey} of ${subdomain}?`, yes);
    const remove = (removeOptions: Partial<typeof options>) =>
      withApi("TENANT_SECRETS_API_KEY", (api) =>
        api.secrets.remove.mutate({ company: subdomain, secretKey, ...removeOptions }),
      );
    const { recoverUntil, leftInInfisical } = await remove(options);
    if (json) return printJson({ company: subdomain, secretKey, recoverUntil, leftInInfisical });
    const name = `${secretKey} of ${subdomain}`;
    if (recoverUntil !== undefined) {
      print(`${name} is removed, and can be restored until ${minute(recoverUntil)}.`);
    } else if (leftInInfisical === false || leftInInfisical === undefined) {
      print(`${name} is gone for good: it has no copy to restore.`);
    } else print(`${name} is removed here, without a copy to restore.`);
    if (leftInInfisical !== true) return;
    if (!yes && (await asks(`Infisical still has ${secretKey}. Delete it there too, for good?`))) {
      await remove({ inInfisical: true });
      print(`${name} is deleted in Infisical too.`);
      return;
    }
    remark(
      `Infisical still has it, in the company's folder. To delete it there too: remove ${secretKey} --company ${subdomain} --in-infisical`,
    );
  },
});

export const restoreCommand = defineCommand({
  positionals: ["secretKey"],
  options: { company, "request-id": requestId },
  details: `Undoes "remove", until the time that it said: the version that was current is current again. There is nothing to
restore on Infisical.`,
  examples: ["restore STRIPE_SECRET_KEY --company acmecorp"],
  run: async ({ secretKey, company: subdomain, "request-id": id, json }) => {
    const { version } = await withApi("TENANT_SECRETS_API_KEY", (api) =>
      api.secrets.restore.mutate({ company: subdomain, secretKey, requestId: id }),
    );
    if (json) printJson({ company: subdomain, secretKey, version });
    else print(`${secretKey} of ${subdomain} is back, at version ${version}.`);
  },
});

function rotationText(rotation: SecretDescription["rotation"]): string {
  if (rotation === undefined) return "";
  const { state, nextDueAt, run } = rotation;
  if (run !== undefined) return run.state === "person" ? "waits for a person" : run.state;
  if (state !== "active") return state;
  return nextDueAt === undefined ? "when asked" : `due ${minute(nextDueAt)}`;
}
