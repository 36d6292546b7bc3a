import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { faultNames, type Fault, type FaultName } from "@repo/db/faults";
import { startApiToBreak, type ApiToBreak } from "./outages-api.ts";
import { startCallers } from "./outages-callers.ts";
import type { Row } from "./row.ts";

const heldMs = 12_000;
const timeoutMs = 30_000;

const described: Readonly<Record<FaultName, string>> = {
  "stopped in order": "stopped, and started again",
  "stopped at once": "crashed, and started again",
  "backends killed": "every connection killed, again and again",
  "too many connections": "no connection left",
  "disk full": "every write fails as on a full disk",
  "read-only": "takes no writes",
  frozen: "stands still",
  locked: "tables locked by another session",
  "slow to commit": "commits take 1.7 s",
};

/**
 * Three callers write and three read, over HTTP, while the API's database has each of the faults for twelve seconds. Prints
 * what they saw; it is no comparison, so there is no row.
 */
export async function benchOutages(): Promise<Row[]> {
  const directory = mkdtempSync(path.join("/var/tmp", "tenant-secrets-bench-"));
  const isSmallDisk = mountSmallDisk(directory);
  const api = await startApiToBreak(path.join(directory, "postgres"));
  try {
    console.log(
      "| Fault | Answers meanwhile: served, 503 | Longest wait | All served again after |\n|---|---|---|---|",
    );
    for (const name of faultNames) await measure(described[name], api, api.postgres.faults[name]);
    if (isSmallDisk) await measure("disk really full, then freed and started", api, fullDisk(api, directory));
    else console.log("| disk really full | not measured: no disk can be mounted here | | |");
  } finally {
    await api.stop();
    if (isSmallDisk) execFileSync("umount", [directory]);
    rmSync(directory, { recursive: true, force: true });
  }
  return [];
}

async function measure(name: string, api: ApiToBreak, fault: Fault): Promise<void> {
  const callers = startCallers(api);
  await sleep(1000);
  await fault.begin();
  const beganAt = performance.now();
  await sleep(heldMs);
  await fault.end();
  const backAt = performance.now();
  const lastServed = () => Math.max(...callers.map(({ servedSince }) => servedSince(backAt) ?? Infinity));
  while (performance.now() < backAt + timeoutMs && lastServed() === Infinity) await sleep(20);
  const outcomes = (await Promise.all(callers.map(({ stop }) => stop()))).flat();
  const since = outcomes.filter(({ at }) => at > beganAt);
  const longestMs = Math.max(...since.map(({ waitedMs }) => waitedMs));
  const meanwhile = since.filter(({ at }) => at < backAt).map(({ kind }) => kind);
  print(name, { kinds: meanwhile, longestMs, recoveredMs: lastServed() - backAt });
}

interface Observed {
  /** Of each response during the outage: its status, or the kind of its failure. */
  readonly kinds: readonly string[];
  readonly longestMs: number;
  readonly recoveredMs: number;
}

function print(name: string, { kinds, longestMs, recoveredMs }: Observed): void {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const served = counts.get("200") ?? 0;
  const others = [...counts].filter(([kind]) => kind !== "200").map(([kind, count]) => `${count} × ${kind}`);
  const seconds = (ms: number) => (Number.isFinite(ms) ? `${(ms / 1000).toFixed(1)} s` : "never");
  console.log(
    `| ${name} | ${served} served, ${others.join(", ") || "none refused"} | ${seconds(longestMs)} | ${seconds(recoveredMs)} |`,
  );
}

/** A disk of memory, small enough to be filled. @returns whether this machine allows it */
function mountSmallDisk(directory: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=400m,mode=0755", "tmpfs", directory], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}

/** A server that cannot write its log of changes ends by itself: it is started again once there is room. */
function fullDisk({ postgres }: ApiToBreak, directory: string): Fault {
  const file = path.join(directory, "fill");
  return {
    begin: async () => {
      const handle = openSync(file, "w");
      try {
        for (const block = Buffer.alloc(64 * 1024); ;) writeSync(handle, block);
      } catch {
        // Full.
      } finally {
        closeSync(handle);
      }
    },
    end: async () => {
      rmSync(file);
      await postgres.stop();
      await postgres.faults["stopped in order"].end();
    },
  };
}
