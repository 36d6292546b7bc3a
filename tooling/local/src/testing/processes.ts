import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";

export async function waitFor(condition: () => boolean, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition() && performance.now() < deadline) await sleep(20);
}

/** The processes that this data directory's start has left, or is. Linux only; elsewhere none are seen. */
export function processesOf(directory: string): readonly number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid && mentions(pid, directory));
}

export function mentions(pid: number, directory: string): boolean {
  try {
    const texts = ["cmdline", "environ"].map((file) => readFileSync(`/proc/${pid}/${file}`, "latin1"));
    return texts.some((text) => text.includes(directory));
  } catch {
    return false;
  }
}

export async function gone(find: () => readonly number[]): Promise<void> {
  await waitFor(() => find().length === 0, 12_000);
  expect(find()).toEqual([]);
}
