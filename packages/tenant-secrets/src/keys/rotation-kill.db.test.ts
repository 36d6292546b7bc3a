import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createFixture, product } from "../fixture.ts";

const script = fileURLToPath(new URL("../rotation-process.ts", import.meta.url));

/**
 * The steps that a rotation says, in order. A process that is killed at one has done all before it and nothing after;
 * "begins" of a phase and "is done" of the one before are the two sides of a commit.
 */
const steps = [
  "stage begins",
  "stage the new key is in Infisical",
  "stage is done",
  "backup begins",
  "backup is done",
  "distribute begins",
  "distribute is done",
  "activate begins",
  "activate is done",
  "rewrap begins",
  "rewrap 3 keys wrapped anew",
  "rewrap 4 keys wrapped anew",
  "rewrap is done",
  "verify begins",
  "verify 3 companies opened with the new key alone",
  "verify is done",
  "retire begins",
  "retire is done",
  "report begins",
  "report is done",
];

test(
  "a rotation that is killed at any step leaves every value readable, and the next process finishes it",
  { timeout: 240_000 },
  async () => {
    const fixture = await createFixture();
    const subdomains: string[] = [];
    for (let i = 0; i < 3; i++) {
      const subdomain = await fixture.company("database");
      await fixture.secrets.company(subdomain, product).set("CUSTOM_A", `of ${subdomain}`);
      subdomains.push(subdomain);
    }
    const run = async (killAt: number): Promise<{ signal: unknown; printed: string[] }> => {
      const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
      const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
      child.stdin.end(
        JSON.stringify({
          applicationUrl: fixture.urls.application,
          maintenanceUrl: fixture.urls.maintenance,
          infisical: { siteUrl, clientId, clientSecret, projectId },
          killAt,
        }),
      );
      const ended = once(child, "exit");
      const printed = (await text(child.stdout)).trim().split("\n");
      const [, signal]: unknown[] = await ended;
      return { signal, printed };
    };
    const readAll = async (): Promise<void> => {
      const fresh = fixture.another();
      for (const subdomain of subdomains) {
        expect(await fresh.company(subdomain, product).get("CUSTOM_A")).toBe(`of ${subdomain}`);
      }
    };

    for (const [killAt, step] of steps.entries()) {
      const killed = await run(killAt);
      expect(killed.signal, step).toBe("SIGKILL");
      expect(killed.printed.at(-1)).toBe(step);
      await readAll();
      // The killed process still has its lease; nobody has to wait for it here.
      await fixture.superuser`update key_rotations set lease_until = now() where finished_at is null`;
      const next = await run(-1);
      expect(next.signal, step).toBeNull();
      expect(next.printed.at(-1), step).toBe("report is done");
      await readAll();
    }
    const [state] = await fixture.superuser`select
    (select count(*)::int from master_keys where status = 'active') as active,
    (select count(*)::int from master_keys where status not in ('active', 'retired')) as between,
    (select count(*)::int from company_key_wraps) as wraps,
    (select count(*)::int from key_rotations where finished_at is null) as unfinished`;
    expect({ ...state }).toEqual({ active: 1, between: 0, wraps: 3, unfinished: 0 });
  },
);
