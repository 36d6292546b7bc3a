import path from "node:path";
import { startInbox } from "@repo/mail/inbox";
import { buildAdmin } from "../admin-build.ts";
import { openCredentials, passwordOf, totpOf } from "../credentials.ts";
import { openDataDirectory, type DataDirectory } from "../data-directory.ts";
import type { Settings, Variables } from "../environment.ts";
import { choosePorts } from "../ports.ts";
import type { Shutdown } from "../shutdown.ts";
import { giveAccount } from "./account.ts";
import { introduce } from "./introduce.ts";
import type { TwoRegions } from "./read-regions.ts";
import { startRegion, type LocalRegion } from "./region.ts";
import { connectRegions } from "./routes.ts";

export interface RegionsStart {
  readonly names: TwoRegions;
  readonly settings: Settings;
  readonly environment: Variables;
  /** Of all starts. */
  readonly data: DataDirectory;
}

interface Parts {
  readonly say: (line: string) => void;
  readonly shutdown: Shutdown;
}

/**
 * Runs two of everything that a region has, introduces the regions to each other, and shows what each of them has of two companies.
 *
 * @throws {Error} where the environment names a database or an Infisical: both are needed twice
 */
export async function startRegions(
  { names, settings, environment, data: all }: RegionsStart,
  { say, shutdown }: Parts,
): Promise<void> {
  if (settings.given.database || settings.given.infisical)
    throw new Error(
      "With --regions, a start has two databases and two Infisicals of its own: unset the variables DATABASE_… and INFISICAL_….",
    );
  // Data belong to both: each region knows the other one.
  const data = openDataDirectory(all.at(path.join("regions", names.join("_"))));
  const ports = choosePorts(data, say);
  const [smtpPort, inboxPort] = [await ports.find("SMTP"), await ports.find("Inbox")];
  const mail = await startInbox({ smtpPort, port: inboxPort });
  shutdown.onStop(() => mail.stop());
  ports.remember("SMTP", smtpPort);
  ports.remember("Inbox", inboxPort);
  await buildAdmin();
  const regions: LocalRegion[] = [];
  // One after the other: a port that is free is taken by the one that found it.
  for (const name of names)
    regions.push(
      await startRegion(
        { ...settings, name, path: data.at(name), environment, mail: { smtpUrl: mail.smtpUrl } },
        { say, shutdown },
      ),
    );
  const [first, second] = regions;
  if (first === undefined || second === undefined) throw new Error("two regions were started");
  // Both directions: a company can move, and is copied back then.
  await connectRegions(first, second, { say, shutdown });
  await connectRegions(second, first, { say, shutdown });
  say("");
  await introduce(first, second, say);
  await introduce(second, first, say);
  await giveAccount({ home: first, target: second, store: openCredentials(data), say });
  say("");
  for (const { name, url, adminUrl, credentials } of regions) {
    say(
      `${name}$ is TENANT_SECRETS_URL=${url} TENANT_SECRETS_OPERATOR_TOKEN=${credentials["operator"] ?? ""} npx pnpm --silent`,
    );
    say(
      `${name}  Sign in at ${adminUrl} as ops@example.test, password ${credentials[passwordOf("ops")] ?? ""}, ` +
        `authenticator app ${credentials[totpOf("ops")] ?? ""}`,
    );
  }
  const seconds = (performance.now() / 1_000).toFixed(1);
  say(`Ready after ${seconds} s. Ctrl-C ends everything; the data stays in ${data.path}`);
}
