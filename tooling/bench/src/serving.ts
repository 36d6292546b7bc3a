import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import type { Outbound } from "@repo/outbound";
import { systemCaller } from "@repo/tenant-secrets";
import { type AuditLog, createAuditLog } from "@repo/audit-log";
import { assembleTenantSecrets } from "@repo/tenant-secrets/internals";
import type { Place, Secrets } from "./deployment.ts";
import { inLanes } from "./measuring.ts";
import { primingKey, subdomainOf } from "./population.ts";

/** The library as a process has it that serves: joined to the others, with everything that this brings. */
export interface Serving {
  readonly secrets: Secrets;
  /** Waits until what reads leave to be written later is written, so that it is not the other side's burden. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServingOptions {
  /** The audit log. Default: the real one. */
  readonly openAuditLog?: typeof createAuditLog;
  /** How notifications are sent. Default: to public addresses */
  readonly outbound?: Outbound;
  /** Of the place. Default: "default". */
  readonly region?: string;
  /** Connections of the pool. Default: the library's own. */
  readonly maxConnections?: number;
}

/** When a secret was last used is written a second after that at the latest. */
const usesWrittenMs = 1200;

export const product = systemCaller("bench", { verbs: ["use", "write"], secretKeys: ["*"] });

/** Serves a place from here, with nothing cached yet. */
export async function serve(place: Place, options: ServingOptions = {}): Promise<Serving> {
  const { application: applicationUrl, maintenance: maintenanceUrl, listener } = place.urls;
  const { openAuditLog = createAuditLog, outbound, region = "default", ...pool } = options;
  const database = connectDatabase({ applicationUrl, maintenanceUrl, ...pool });
  const infisical = createInfisicalClient({ ...place.infisical, environment: "dev" });
  const secrets = assembleTenantSecrets(
    { database, infisical, catalog: deliveryChatCatalog, outbound, region },
    { openAuditLog },
  );
  await secrets.prepare();
  const member = await secrets.serve(listener, ({ message }) => console.error(message));
  return {
    secrets,
    settle: async () => {
      await secrets.flush();
      await sleep(usesWrittenMs);
    },
    stop: async () => {
      await member.stop();
      await secrets.stop();
      await database.close();
    },
  };
}

/**
 * Makes companies and their keys known to a process, by the first read that it makes of each, of a secret that no bench
 * measures.
 */
export async function meet({ secrets }: Serving, companies: number): Promise<void> {
  await inLanes(16, companies, (i) => secrets.company(subdomainOf(i), product).get(primingKey));
}

const nothing = () => Promise.resolve();

/** A record that takes everything and keeps nothing. */
export const dropEverything: AuditLog = {
  recordInTransaction: nothing,
  record: nothing,
  recordBatched: nothing,
  batchedRecorder: () => () => true,
  ready: nothing,
  flush: nothing,
  stop: nothing,
};
