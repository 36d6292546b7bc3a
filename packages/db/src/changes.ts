import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type postgres from "postgres";
import type { Database } from "./connect.ts";
import { openDriver } from "./driver.ts";
import { DatabaseError, scrubDatabaseError } from "./errors.ts";

const companySubjects = [
  "company",
  "company-secrets",
  "company-keys",
  "company-members",
  "company-api-keys",
] as const;
type CompanySubject = (typeof companySubjects)[number];

/** The kinds of changes: a company, its secrets, keys, members or API keys, the master key registry, a credential, or another region. */
export type Change =
  | { readonly subject: CompanySubject; readonly companyId: string }
  /** One secret, by {@link nameTagOf} its key. */
  | { readonly subject: "company-secret"; readonly companyId: string; readonly nameTag: string }
  | { readonly subject: "master-keys" }
  | { readonly subject: "credentials" }
  | { readonly subject: "regions" };

export interface ChangeListenerOptions {
  /** Of the role that may connect and nothing else. */
  readonly listenerUrl: string;
  readonly onChange: (change: Change) => void;
  /** Changes may have been missed: at the first connection, and at every one after a loss. */
  readonly onGap: () => void;
  /** How often it is tried whether notifications still arrive, in milliseconds. Default 5000. */
  readonly heartbeatMs?: number;
}

export interface ChangeListener {
  /** Whether notifications arrived within the last two heartbeats. */
  isListening(): boolean;
  stop(): Promise<void>;
}

const channel = "tenant_secrets";
/** A notification that says nothing but that notifications arrive. */
const beat = "beat";

/**
 * Listens for what other processes commit. A connection can be dead without anybody being told, so that silence proves
 * nothing: a heartbeat is sent on another connection, into the channel that the changes come through, and has to arrive, or
 * the connection is replaced. One that arrives spares the other processes theirs.
 *
 * @returns once the first connection hears; a lost one is replaced for as long as it takes
 * @throws {DatabaseError} when the first connection fails, or does not hear within two heartbeats
 * @throws {DatabaseUrlError}
 */
export async function listenForChanges(options: ChangeListenerOptions): Promise<ChangeListener> {
  const heartbeatMs = options.heartbeatMs ?? 5000;
  let heardAt = -Infinity;
  let connection = connect(options.listenerUrl);
  let replacing = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const listen = async (opening: postgres.Sql): Promise<void> => {
    const { onChange, onGap } = options;
    const heard = Promise.withResolvers<void>();
    await opening.listen(
      channel,
      (payload) => {
        heardAt = performance.now();
        heard.resolve();
        const change = parseChange(payload);
        if (change !== undefined) onChange(change);
      },
      onGap,
    );
    await opening.notify(channel, beat);
    await heard.promise;
  };

  /** A connection can die before it listens and still look open. Without this deadline it would never be replaced. */
  const open = async (): Promise<void> => {
    const giveUp = new AbortController();
    const late = sleep(2 * heartbeatMs, undefined, { signal: giveUp.signal, ref: false }).then(() => {
      throw new DatabaseError("unavailable", "TIMEOUT");
    });
    late.catch(() => {});
    try {
      await Promise.race([listen(connection), late]);
    } finally {
      giveUp.abort();
    }
  };

  const replace = async (): Promise<void> => {
    if (replacing || stopped) return;
    replacing = true;
    const old = connection;
    connection = connect(options.listenerUrl);
    void old.end({ timeout: 0 }).catch(() => {});
    try {
      await open();
    } catch {
      // The next heartbeat tries again.
    } finally {
      replacing = false;
    }
  };

  const tick = (): void => {
    const silentMs = performance.now() - heardAt;
    if (silentMs > 2 * heartbeatMs) void replace();
    else if (silentMs > heartbeatMs / 2) void connection.notify(channel, beat).catch(() => {});
    // By chance, so that of processes that were started together one is first, and the others have heard it.
    timer = setTimeout(tick, heartbeatMs * (0.2 + 0.3 * Math.random()));
  };

  try {
    await open();
  } catch (error) {
    await connection.end({ timeout: 0 }).catch(() => {});
    throw scrubDatabaseError(error);
  }
  tick();
  return {
    isListening: () => performance.now() - heardAt <= 2 * heartbeatMs,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await connection.end({ timeout: 2 }).catch(() => {});
    },
  };
}

/**
 * Tells all processes, this one too, that a secret of a company changed somewhere that no trigger sees, or may have.
 *
 * @throws {DatabaseError}
 */
export async function announceSecret(
  database: Database,
  companyId: string,
  secretKey: string,
): Promise<void> {
  const payload = `company-secret ${companyId} ${nameTagOf(companyId, secretKey)}`;
  await database.outsideCompanies((sql) => sql`select pg_notify(${channel}, ${payload})`);
}

/** Identifies a secret key in notifications, which every database role can read: only readers that know the key recognise it. */
export function nameTagOf(companyId: string, secretKey: string): string {
  return createHash("sha256").update(`${companyId} ${secretKey}`).digest("base64url").slice(0, 22);
}

function connect(url: string): postgres.Sql {
  // If the driver replaced the connection by itself now and then, there would be a gap each time.
  return openDriver(url, { max: 1, applicationName: "tenant-secrets listener", renews: false });
}

function parseChange(payload: string): Change | undefined {
  if (payload === "master-keys" || payload === "credentials" || payload === "regions")
    return { subject: payload };
  const [, ofSecret, nameTag] = /^company-secret ([0-9a-f-]{36}) ([\w-]{22})$/.exec(payload) ?? [];
  if (ofSecret !== undefined && nameTag !== undefined)
    return { subject: "company-secret", companyId: ofSecret, nameTag };
  const [, topic, companyId] = /^([a-z-]+) ([0-9a-f-]{36})$/.exec(payload) ?? [];
  const subject = companySubjects.find((each) => each === topic);
  return subject === undefined || companyId === undefined ? undefined : { subject, companyId };
}
