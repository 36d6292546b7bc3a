import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findFreePort } from "@repo/db/embedded";
import { countKinds, startLoad } from "@repo/hono-api/testing/load";
import { startReplicated, type Replicated } from "@repo/hono-api/testing/replicated";
import { startServer, variablesOf, type ServerProcess } from "@repo/hono-api/testing/spawn";
import { startTcpBalancer } from "@repo/hono-api/testing/tcp-balancer";
import type { Row } from "./row.ts";

const rounds = 2;
const drainSeconds = 3;
const pairs = 8;

interface Balancer {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Sixteen clients that keep their connections read and write through a balancer, while both processes behind it are restarted,
 * one after the other, twice. Prints what became of their requests; it is no comparison, so there is no row.
 */
export async function benchRestarts(): Promise<Row[]> {
  const world = await startReplicated(false);
  const haproxy = ["haproxy", "/usr/sbin/haproxy"].find((file) => spawnSync(file, ["-v"]).status === 0);
  console.log(
    `${rounds} × 2 restarts, DRAIN_SECONDS=${drainSeconds}\n| Balancer | Requests | Failed | Longest wait |\n|---|---|---|---|`,
  );
  try {
    await measure("of the tests, by connections", world, startTcpBalancer);
    if (haproxy === undefined) console.log("| HAProxy | not measured: it is not installed | | |");
    else
      for (const mode of ["tcp", "http"])
        await measure(`HAProxy, \`mode ${mode}\``, world, (ports) => startHaproxy(haproxy, mode, ports));
  } finally {
    await world.stop();
  }
  return [];
}

async function measure(
  name: string,
  { urls, emulator, company, credential }: Replicated,
  balance: (ports: readonly number[]) => Promise<Balancer>,
): Promise<void> {
  const start = (port: number): ServerProcess =>
    startServer({
      ...variablesOf(urls, emulator),
      PORT: String(port),
      DRAIN_SECONDS: String(drainSeconds),
    });
  const ports = await Promise.all([findFreePort(0), findFreePort(0)]);
  const running = ports.map((port) => ({ port, child: start(port) }));
  const balancer = await balance(ports);
  try {
    await Promise.all(ports.map(untilReady));
    // The balancer has to see it, too.
    await sleep(1500);
    const load = startLoad({ url: balancer.url, credential, company, pairs });
    await sleep(1500);
    for (let round = 0; round < rounds; round += 1) {
      for (const server of running) {
        server.child.kill("SIGTERM");
        await server.child.ended;
        server.child = start(server.port);
        await untilReady(server.port);
        await sleep(1500);
      }
    }
    await load.stop();
    const { "200": _, ...failed } = countKinds(load.outcomes);
    const failures = Object.entries(failed).map(([kind, count]) => `${count} × ${kind}`);
    const longestMs = Math.max(...load.outcomes.map(({ waitedMs }) => waitedMs));
    console.log(
      `| ${name} | ${load.outcomes.length} | ${failures.join(", ") || "0"} | ${(longestMs / 1000).toFixed(2)} s |`,
    );
  } finally {
    await balancer.stop();
    for (const { child } of running) child.kill("SIGKILL");
    await Promise.all(running.map(({ child }) => child.ended));
  }
}

async function untilReady(port: number): Promise<void> {
  const isReady = () =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) await sleep(100);
}

/** With the settings of docs/production.md, and a quicker probe. */
async function startHaproxy(file: string, mode: string, ports: readonly number[]): Promise<Balancer> {
  const directory = mkdtempSync(path.join(tmpdir(), "haproxy-"));
  const port = await findFreePort(0);
  const settings = path.join(directory, "haproxy.cfg");
  const lines = [
    "defaults",
    `  mode ${mode}`,
    "  timeout connect 2s",
    "  timeout client 60s",
    "  timeout server 60s",
    "  timeout check 3s",
    "frontend in",
    `  bind 127.0.0.1:${port}`,
    "  default_backend api",
    "backend api",
    "  option httpchk GET /readyz",
    "  default-server check inter 500ms fall 2 rise 1",
    ...ports.map((each) => `  server on-${each} 127.0.0.1:${each}`),
  ];
  writeFileSync(settings, `${lines.join("\n")}\n`);
  const child = spawn(file, ["-db", "-f", settings], { stdio: "ignore" });
  const ended = once(child, "exit");
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
