import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import type { RunRow } from "../runs/lease.ts";
import type { Run } from "../runs/run.ts";
import { operator, type Fixture } from "./fixture.ts";
import { toyTable, type ToyFacts, type ToyInput, type ToyTools } from "./toy-run.ts";

export type Toy = Run<ToyInput, ToyFacts, ToyTools>;

/** What tests of the engine do with toy runs. Runs have seven items each unless a test says otherwise. */
export interface Toys {
  /** A run of a subject of its own. */
  start(toy: Toy, input?: Partial<ToyInput>): Promise<RunRow>;
  /** How often each item was processed, or undone. */
  countsOf(run: RunRow, of: "worked" | "undone"): Promise<number[]>;
  /** Lets another process take the run over at once. */
  endLease(id: string): Promise<unknown>;
  /**
   * Drives a run in a process that kills itself in a given transaction, counted from 0.
   *
   * @returns whether it reached that transaction
   */
  runDoomed(orders: {
    readonly run: string;
    readonly killAt: number;
    readonly cleansUp?: boolean;
  }): Promise<boolean>;
}

export const sevenTimes = (count: number): number[] => Array.from({ length: 7 }, () => count);

export async function createToys(fixture: Fixture): Promise<Toys> {
  await fixture.superuser.unsafe(toyTable);
  let subjects = 0;
  return {
    start: async (toy, input) => {
      const row = await fixture.database.acrossCompanies((statements) =>
        toy.start(statements, {
          subject: `subject-${++subjects}`,
          input: { items: 7, poison: null, companyId: null, ...input },
          facts: { skipped: [] },
          caller: operator,
        }),
      );
      if (row === undefined) throw new Error("a run of a new subject starts");
      return row;
    },
    countsOf: async ({ subject }, of) => {
      const rows = await fixture.superuser`
        select ${fixture.superuser(of)} as count from toy_items where subject = ${subject} order by id`;
      return rows.map((row) => Number(row["count"]));
    },
    endLease: (id) =>
      fixture.superuser`update runs set lease_until = now() - interval '1 ms' where id = ${id}`,
    runDoomed: async (orders) => {
      const script = fileURLToPath(new URL("doomed-process.ts", import.meta.url));
      const child = spawn(process.execPath, [script], { stdio: ["pipe", "inherit", "inherit"] });
      onTestFinished(() => void child.kill("SIGKILL"));
      const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
      child.stdin.end(
        JSON.stringify({
          work: "toy",
          ...orders,
          applicationUrl: fixture.urls.application,
          maintenanceUrl: fixture.urls.maintenance,
          infisical: { siteUrl, clientId, clientSecret, projectId },
        }),
      );
      const [code, signal]: unknown[] = await once(child, "exit");
      expect(signal ?? code).toBe(signal === null ? 0 : "SIGKILL");
      return signal === "SIGKILL";
    },
  };
}
