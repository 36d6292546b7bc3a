import path from "node:path";
import type { Route } from "@repo/db/regions";
import { z } from "zod";
import { confirm } from "../arguments.ts";
import { defineCommand, type Option } from "../command.ts";
import { readVariables } from "../env.ts";
import { UsageError } from "../failure.ts";
import { writeNewFile } from "../new-file.ts";
import { onServer } from "../on-server.ts";
import { print, printJson } from "../output.ts";
import { readArgument, readText } from "../text-file.ts";

// What connects two regions, by superusers of their servers. Credentials are in variables and files, and in no argument. Each
// command can be repeated, also after it was killed.

const database = {
  type: "string",
  value: "name",
  help: "The product's database; tenant_secrets unless given",
} as const satisfies Option;
const passwordFile = {
  type: "string",
  required: true,
  value: "file",
  help: "With the password of the role that reads this region, in PostgreSQL's form",
} as const satisfies Option;
const exportGone = {
  type: "boolean",
  help: "The export is gone, or its slot: do not ask it to drop the slot",
} as const satisfies Option;
const yes = { type: "boolean", help: "Do not ask" } as const satisfies Option;

interface Named {
  readonly region: string;
  readonly database: string | undefined;
}

/** The product's server, and this region's name. @throws {UsageError} */
async function readOwn({ database: name = "tenant_secrets" }: Pick<Named, "database">) {
  const url = await superuserUrl("DATABASE_SUPERUSER_URL");
  const { MASTER_KEY_REGION: region } = readVariables({ MASTER_KEY_REGION: z.string().min(1) });
  const place = { variable: "DATABASE_SUPERUSER_URL", url };
  return { region, place, own: { superuserUrl: url, database: name } };
}

async function superuserUrl(variable: "DATABASE_SUPERUSER_URL" | "EXPORT_SUPERUSER_URL"): Promise<string> {
  const { databaseVariables } = await import("@repo/db");
  const { DATABASE_URL: url } = databaseVariables;
  return variable === "DATABASE_SUPERUSER_URL"
    ? readVariables({ DATABASE_SUPERUSER_URL: url }).DATABASE_SUPERUSER_URL
    : readVariables({ EXPORT_SUPERUSER_URL: url }).EXPORT_SUPERUSER_URL;
}

/** @param address `host:port`; undefined: as the URL has it. @throws {UsageError} */
function reachedAt(url: string, option: string, address: string | undefined): string {
  if (address === undefined) return url;
  const [, host, port] = /^([A-Za-z0-9.-]+|\[[0-9a-f:]+\]):(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || port === undefined) throw new UsageError(`--${option} is of the form host:port.`);
  const reached = new URL(url);
  reached.hostname = host;
  reached.port = port;
  return reached.href;
}

/** The role that reads the home, as the line of its password file names it. @throws {UsageError} */
async function readExporter(file: string, superuser: string): Promise<string> {
  const [line = ""] = (await readText("password-file", file)).split("\n");
  const [host = "", port, name = "", user = "", password] = line
    .split(/(?<!\\):/)
    .map((field) => field.replaceAll(/\\(.)/g, "$1"));
  if (port === undefined || password === undefined)
    throw new UsageError('--password-file does not hold what "regions publish" writes.');
  const exporter = new URL(superuser);
  exporter.username = user;
  exporter.password = "";
  exporter.pathname = `/${name}`;
  return reachedAt(exporter.href, "password-file", `${host.includes(":") ? `[${host}]` : host}:${port}`);
}

export const publishCommand = defineCommand({
  positionals: ["region"],
  options: {
    "password-file": passwordFile,
    "home-address": { type: "string", value: "host:port", help: "Where the export reaches this server" },
    database,
  },
  details: `At home, first. Connects as DATABASE_SUPERUSER_URL, publishes the copies for the region, and makes the role that its
export reads them with. That role can read the whole server: put the file on the machine of the export, outside the
data of PostgreSQL there, where its server alone can read it. Run again, it writes the file with another password.`,
  examples: ["regions publish us --password-file /etc/tenant-secrets/export-us"],
  run: async ({ region, "password-file": file, "home-address": address, json, ...named }) => {
    const { region: home, place, own } = await readOwn(named);
    const { publishCopies } = await import("@repo/db/regions");
    const { writePasswordFile } = await import("@repo/db/embedded");
    // Before there is a password that could not be written down.
    reachedAt(place.url, "home-address", address);
    const url = await onServer(place, () => publishCopies(own, { home, target: region }));
    writePasswordFile(path.dirname(file), path.basename(file), reachedAt(url, "home-address", address));
    if (json) printJson({ region, passwordFile: file });
    else print(`The copies for ${region} are published. Next: "regions connect ${region}".`);
  },
});

const subscriptionFormat = "tenant-secrets-subscription/1";
const Subscription = z.object({
  format: z.literal(subscriptionFormat),
  home: z.string(),
  target: z.string(),
  url: z.string(),
});

export const connectCommand = defineCommand({
  positionals: ["region"],
  options: {
    "password-file": {
      ...passwordFile,
      help: 'What "regions publish" wrote, at the path at which the server of the export reads it',
    },
    "export-address": {
      type: "string",
      value: "host:port",
      help: "Where the other region reaches the export",
    },
    output: {
      type: "string",
      required: true,
      value: "file",
      help: "A new file that only its owner can read",
    },
  },
  details: `At home, then. Connects as EXPORT_SUPERUSER_URL to a server that has nothing else on it, and sets it up for the region:
it gets the copies for that region, and a role for it. The file holds that role's URL with its password: an operator
of the region needs it for "regions subscribe". Run again, it ends the password before.`,
  examples: [
    "regions connect us --password-file /etc/tenant-secrets/export-us --output us-subscription.json",
  ],
  run: async ({ region, "password-file": passwords, "export-address": address, output, json }) => {
    const { region: home, place } = await readOwn({ database: undefined });
    const url = await superuserUrl("EXPORT_SUPERUSER_URL");
    const exporterUrl = await readExporter(passwords, place.url);
    reachedAt(url, "export-address", address);
    const { setUpExport } = await import("@repo/db/regions");
    const server = { superuserUrl: url, exporterUrl, passwordFile: path.resolve(passwords) };
    await writeNewFile(output, async () => {
      const made = await onServer({ variable: "EXPORT_SUPERUSER_URL", url }, () =>
        setUpExport(server, { home, target: region }),
      );
      const subscription = { format: subscriptionFormat, home, target: region };
      const reached = reachedAt(made, "export-address", address);
      return `${JSON.stringify({ ...subscription, url: reached }, null, 2)}\n`;
    });
    if (json) printJson({ region, output });
    else print(`${output} is for an operator of ${region}, who runs "regions subscribe" with it there.`);
  },
});

/** @throws {UsageError} where the file is none, or is for another region */
async function readSubscription(file: string, ownRegion: string): Promise<{ route: Route; url: string }> {
  const text = await readArgument("<subscription>", file);
  let parsed: z.output<typeof Subscription>;
  try {
    parsed = Subscription.parse(JSON.parse(text));
  } catch {
    throw new UsageError('<subscription> does not hold what "regions connect" writes.');
  }
  const { home, target, url } = parsed;
  if (target !== ownRegion)
    throw new UsageError(`<subscription> is for region ${target}, and MASTER_KEY_REGION is ${ownRegion}.`);
  return { route: { home, target }, url };
}

export const subscribeCommand = defineCommand({
  positionals: ["subscription"],
  options: { database },
  details: `In the region that gets the copies, at last. Connects as DATABASE_SUPERUSER_URL to PostgreSQL 16 or later, and takes what
the other region has for this one, from then on. Run again with a newer file, it uses the password of that.`,
  examples: ["regions subscribe us-subscription.json"],
  run: async ({ subscription, json, ...named }) => {
    const { region, place, own } = await readOwn(named);
    const { route, url } = await readSubscription(subscription, region);
    const { subscribeToCopies } = await import("@repo/db/regions");
    await onServer(place, () => subscribeToCopies(own, route, url));
    if (json) printJson(route);
    else print(`${region} takes its copies from ${route.home}. "regions status" shows how far it is.`);
  },
});

export const resyncCommand = defineCommand({
  positionals: ["subscription"],
  options: { database, "export-gone": exportGone, yes },
  details: `In the region that gets the copies: deletes them, and takes all once more. For rows that were changed here, and after a
lost slot. Until the first copy is over, companies of the other region are not read here.`,
  examples: ["regions resync us-subscription.json", "regions resync us-subscription.json --export-gone"],
  run: async ({ subscription, "export-gone": isExportGone, yes: sure, json, ...named }) => {
    const { region, place, own } = await readOwn(named);
    const { route, url } = await readSubscription(subscription, region);
    await confirm(`Delete the copies from ${route.home}, and take all of them once more?`, sure);
    const { resyncCopies } = await import("@repo/db/regions");
    await onServer(place, () => resyncCopies(own, route, { exportUrl: url, isExportGone }));
    if (json) printJson(route);
    else print(`All copies come from ${route.home} once more.`);
  },
});

export const resyncExportCommand = defineCommand({
  positionals: ["region"],
  options: { "password-file": passwordFile, yes },
  details: `At home: deletes what the export for the region has, and takes all once more. For rows that were changed there, and after
a lost slot. Connects as EXPORT_SUPERUSER_URL. Until the first copy is over, the region has no copies.`,
  examples: ["regions resync-export us --password-file /etc/tenant-secrets/export-us"],
  run: async ({ region, "password-file": passwords, yes: sure, json }) => {
    const { region: home, place } = await readOwn({ database: undefined });
    const url = await superuserUrl("EXPORT_SUPERUSER_URL");
    const exporterUrl = await readExporter(passwords, place.url);
    await confirm(`Delete the copies for ${region} from the export, and take all of them once more?`, sure);
    const { resyncExport } = await import("@repo/db/regions");
    const server = { superuserUrl: url, exporterUrl, passwordFile: path.resolve(passwords) };
    await onServer({ variable: "EXPORT_SUPERUSER_URL", url }, () =>
      resyncExport(server, { home, target: region }),
    );
    if (json) printJson({ region });
    else print(`The export for ${region} takes all copies once more.`);
  },
});

export const unsubscribeCommand = defineCommand({
  positionals: ["region"],
  options: { database, "export-gone": exportGone, yes },
  details: `In the region that gets the copies: ends the subscription to the region that is named, and deletes what it brought. What
backups of this region have, they keep until they expire.`,
  examples: ["regions unsubscribe eu"],
  run: async ({ region: home, "export-gone": isExportGone, yes: sure, json, ...named }) => {
    const { region, place, own } = await readOwn(named);
    await confirm(`Delete all copies from ${home}?`, sure);
    const { unsubscribeFromCopies } = await import("@repo/db/regions");
    const copies = await onServer(place, () =>
      unsubscribeFromCopies(own, { home, target: region }, { isExportGone }),
    );
    if (json) printJson({ region: home, copies });
    else print(`${copies} copies from ${home} are deleted.`);
  },
});

export const disconnectCommand = defineCommand({
  positionals: ["region"],
  options: { database, yes },
  details: `At home: drops the export for the region (EXPORT_SUPERUSER_URL), then its publication, its role and the slot that keeps WAL
for it (DATABASE_SUPERUSER_URL). What the region has, it keeps until "regions unsubscribe" there.`,
  examples: ["regions disconnect us"],
  run: async ({ region, yes: sure, json, ...named }) => {
    const { region: home, place, own } = await readOwn(named);
    const url = await superuserUrl("EXPORT_SUPERUSER_URL");
    await confirm(`Drop the export for ${region}?`, sure);
    const { dropExport, unpublishCopies } = await import("@repo/db/regions");
    const route = { home, target: region };
    await onServer({ variable: "EXPORT_SUPERUSER_URL", url }, () => dropExport(url, route));
    await onServer(place, () => unpublishCopies(own, route));
    if (json) printJson({ region });
    else print(`Nothing is published for ${region} any more.`);
  },
});
