import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase } from "@repo/db";
import type { CredentialStore } from "../credentials.ts";
import { databaseName } from "../database.ts";
import type { LocalRegion } from "./region.ts";

/** At home in the first region and copied to the second. */
const copied = "acmecorp";
/** May be in the first region alone. */
const pinned = "another-company";
const secretKey = "CUSTOM_API_KEY";

const pollMs = 200;
const longestMs = 60_000;

interface Account {
  readonly home: LocalRegion;
  readonly target: LocalRegion;
  readonly store: CredentialStore;
  readonly say: (line: string) => void;
}

/** Makes the two companies, and shows by commands of the product what each region has of them. Companies that are there stay. */
export async function giveAccount(account: Account): Promise<void> {
  const { home, target, say } = account;
  for (const company of [copied, pinned]) await seedCompany(account, company);
  const allowed = await home.remote(["companies", "regions", "add", copied, target.name]);
  say(`${home.name}$ secrets companies regions add ${copied} ${target.name}\n    ${allowed}`);
  await readThere(account);
  for (const company of [copied, pinned])
    for (const region of [home, target]) await verify(region, company, say);
  say(`Rows of region_copies in ${target.name}: ${await countRows(account)}`);
}

async function seedCompany({ home, store, say }: Account, company: string): Promise<void> {
  if (store.known(company) === undefined) {
    const made = await home
      .remote(["companies", "create", company, "--store", "database"])
      .catch((error: unknown) => {
        // An interrupted start has made it.
        if (String(error).includes("taken")) return "it is there";
        throw error;
      });
    say(`${home.name}$ secrets companies create ${company} --store database\n    ${made}`);
    store.keep(company, await createKey(home, company));
  }
  const value = `fake_custom_${company.replaceAll("-", "_")}_0001`;
  const written = await home.remote(["set", secretKey, "--company", company], {
    input: value,
    variables: { TENANT_SECRETS_API_KEY: store.known(company) },
  });
  say(`${home.name}$ printf %s ${value} | secrets set ${secretKey} --company ${company}\n    ${written}`);
}

/** API keys are of one region: the same company has others elsewhere. */
function createKey({ remote, name }: LocalRegion, company: string): Promise<string> {
  const what = ["--verbs", "describe,use,write", "--secret-keys", "*", "--expires-in", "90d"];
  return remote(["api-keys", "create", "--company", company, "--name", `local start in ${name}`, ...what]);
}

async function readThere({ target, store, say }: Account): Promise<void> {
  const name = `${copied} in ${target.name}`;
  const key = store.known(name) ?? (await untilThere(() => createKey(target, copied)));
  store.keep(name, key);
  const variables = { TENANT_SECRETS_API_KEY: key };
  const get = ["get", secretKey, "--company", copied, "--json"];
  const read = await untilThere(async () => {
    const printed = await target.remote(get, { variables });
    if (!printed.includes('"ageMs"')) throw new Error("No beat of the home has arrived.");
    return printed;
  });
  say(`${target.name}$ secrets ${get.join(" ")}\n    ${indented(read)}`);
  say(
    `${target.name}$ secrets companies get ${pinned}\n    ${await refused(target, ["companies", "get", pinned])}`,
  );
}

/** Counts with a superuser, whom no policy keeps from a row, by the ids that the home knows. */
async function countRows({ home, target }: Account): Promise<string> {
  const ids = await Promise.all(
    [copied, pinned].map(async (company) => idOf(await home.remote(["companies", "get", company, "--json"]))),
  );
  const inside = new URL(target.database.superuserUrl);
  inside.pathname = `/${databaseName}`;
  const database = connectDatabase({ applicationUrl: inside.href, maintenanceUrl: inside.href });
  try {
    const rows = await database.outsideCompanies(
      (sql) => sql<{ id: string }[]>`select company_id as id from region_copies`,
    );
    return [copied, pinned]
      .map((company, at) => `${rows.filter(({ id }) => id === ids[at]).length} of ${company}`)
      .join(", ");
  } finally {
    await database.close();
  }
}

async function verify(region: LocalRegion, company: string, say: (line: string) => void): Promise<void> {
  const said = await region.remote(["regions", "verify", company]);
  say(`${region.name}$ secrets regions verify ${company}\n    ${indented(said)}`);
}

/** What a command prints that is refused. @throws {Error} where it is not */
async function refused(region: LocalRegion, args: readonly string[]): Promise<string> {
  try {
    await region.remote(args);
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^.* failed: /, "") : "";
  }
  throw new Error(`${region.name} has a company that may not be there.`);
}

/** Copies take a moment to arrive. @returns what the first call returns that succeeds @throws what the last call throws */
async function untilThere(call: () => Promise<string>): Promise<string> {
  const deadline = performance.now() + longestMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(pollMs);
  }
}

/** @throws {Error} for another text than `companies get --json` prints */
function idOf(printed: string): string {
  const parsed: unknown = JSON.parse(printed);
  if (typeof parsed === "object" && parsed !== null && "id" in parsed) return String(parsed.id);
  throw new Error("`companies get` printed no id.");
}

function indented(text: string): string {
  return text.replaceAll("\n", "\n    ");
}
