import { and, count, eq, isNotNull } from "drizzle-orm";
import { type Database, tables } from "@repo/db";
import { readBeat } from "@repo/db/regions";
import {
  type Caller,
  type Catalog,
  type LeaveOptions,
  type LeftHome,
  notFound,
  type TakenOver,
  TenantSecretsError,
} from "@repo/catalog";
import { audited, type EventDetails, type Operations } from "../../access/operation.ts";
import { actorColumns } from "../../access/request-ids.ts";
import type { Companies } from "../../companies/companies.ts";
import type { CompanyKeys } from "../../keys/company/company-keys.ts";
import type { MasterKeys } from "../../keys/master/master-keys.ts";
import type { RegionKeys } from "../../keys/region-keys.ts";
import type { RunRow } from "../../runs/lease.ts";
import type { CopiedKeys } from "../copied-keys.ts";
import type { RegionRegistry } from "../registry.ts";
import { findClaim, leaveHome } from "./leave.ts";
import { findLostChanges, tellWhatWasTaken } from "./lost-changes.ts";
import { readSaved, writeSaved } from "./lost-home.ts";
import { MoveInput, type MoveRun } from "./move-run.ts";
import { takeOverOffered } from "./offered.ts";
import { requireMovable } from "./offer.ts";
import { takeBack } from "./take-back.ts";
import { takeOver } from "./take-over.ts";

const { companies: companyRows, companySecrets } = tables;

/** How the home of a company becomes another region. */
export interface Moves {
  /**
   * Starts a move to a region that the company is copied to, which a job makes.
   *
   * @returns the run; the unfinished one where there is one
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; WRONG_REGION; CONFLICT for a company that cannot be moved now
   */
  move(caller: Caller, company: string, to: string): Promise<{ readonly run: string }>;
  /**
   * Makes this region the home of a company whose home is lost. Of a company that is at home here and is being moved to a region that is
   * lost, it ends the move, and this home goes on.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT where its home is another one than is meant, or is still sending;
   *   INTEGRITY_FAILURE and KEY_UNAVAILABLE where its keys do not open
   */
  takeOver(caller: Caller, company: string, from: string): Promise<TakenOver>;
  /** @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT where no other region is the home, or a move is under way */
  leave(caller: Caller, company: string, options: Omit<LeaveOptions, "company">): Promise<LeftHome>;
  /** Takes over what other regions offer to this one, for a job. @returns how many companies are at home here by it */
  takeOverOffered(signal: AbortSignal): Promise<number>;
}

interface Dependencies {
  readonly database: Database;
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly catalog: Catalog;
  readonly masterKeys: MasterKeys;
  readonly registry: RegionRegistry;
  readonly regionKeys: RegionKeys;
  readonly copiedKeys: CopiedKeys;
  readonly companyKeys: Pick<CompanyKeys, "secrets">;
  readonly run: MoveRun;
  readonly forget: (companyId: string) => void;
}

const toMove = { verb: "companies", to: "move companies" } as const;

export function createMoves(dependencies: Dependencies): Moves {
  const { database, operations, companies, catalog, masterKeys, registry, regionKeys, copiedKeys } =
    dependencies;
  const { run, forget } = dependencies;
  const ownRegion = masterKeys.region;

  /** Checks the permission first: other callers must not learn whether the company exists. */
  const resolve = async (
    caller: Caller,
    action: "company.begin-move" | "company.take-over" | "company.leave",
    subdomain: string,
  ) => {
    await operations.authorize({ caller, action, ...toMove });
    const { company } = await companies.resolve({ caller, action }, subdomain);
    return { caller, action, company };
  };

  /** The company is at home here. */
  const endMove = async (
    operation: Awaited<ReturnType<typeof resolve>>,
    from: string,
  ): Promise<TakenOver> => {
    const companyId = operation.company.id;
    const keys = await dependencies.companyKeys.secrets(companyId);
    try {
      const signing = await regionKeys.signing();
      const offeredAtMs = (row: RunRow, to: string) =>
        MoveInput.parse(row.input).to === to ? run.factsOf(row).offeredAtMs : undefined;
      const move = { kind: run.kind, offeredAtMs, cancel: run.cancel };
      const asked = { companyId, from, ownRegion, registry, signing, keys, move };
      await operations.inSteps({ ...operation, subject: from }, (steps) => takeBack(steps, asked));
      const [counted] = await database.acrossCompanies((statements) =>
        statements
          .select({ secrets: count() })
          .from(companySecrets)
          .where(
            and(eq(companySecrets.companyId, companyId), isNotNull(companySecrets.secretValueEncrypted)),
          ),
      );
      return { secrets: counted?.secrets ?? 0, unreadable: [] };
    } finally {
      for (const { secret } of keys) secret.fill(0);
      forget(companyId);
    }
  };

  return {
    move: async (caller, subdomain, to) => {
      const operation = await resolve(caller, "company.begin-move", subdomain);
      const companyId = operation.company.id;
      return operations.change({ ...operation, subject: to }, async ({ statements }) => {
        const unfinished = await run.lookUpUnfinished(statements, companyId);
        if (unfinished === undefined) await requireMovable(statements, { companyId, from: ownRegion, to });
        const facts = { homeEpoch: null, offeredAtMs: null };
        const started =
          unfinished ?? (await run.start(statements, { subject: companyId, input: { to }, facts, caller }));
        const id = (started ?? (await run.lookUpUnfinished(statements, companyId)))?.id;
        if (id === undefined) throw conflict("Another move of this company has just ended.");
        await run.enqueue(statements, { id });
        return audited({ run: id }, {});
      });
    },

    takeOver: async (caller, subdomain, from) => {
      const operation = await resolve(caller, "company.take-over", subdomain);
      const { id: companyId, home } = operation.company;
      const lost = await registry.find(from);
      if (lost === undefined) throw conflict(`Region ${from} is not known here.`);
      if (home === undefined) return endMove(operation, from);
      if (home.region !== from) throw conflict(`The home of this company is ${home.region}, not ${from}.`);
      const keys = await copiedKeys.secrets({ id: companyId, home });
      try {
        const beatAtMs = await readBeat(database, ownRegion, from);
        const saving = { companyId, from: home, keys, maker: actorColumns(caller) };
        const saved = await readSaved({ database, catalog, ownRegion }, saving);
        const signing = await regionKeys.signing();
        const homeEpoch = home.epoch + 1;
        const telling = { companyId, from: ownRegion, homeEpoch, to: from, revisions: saved.revisions };
        await operations.inSteps(operation, (steps) =>
          takeOver(steps, masterKeys, {
            companyId,
            from,
            homeEpoch: home.epoch,
            // All that was saved is under the newest one.
            keys: keys.slice(0, 1),
            write: (statements) => writeSaved(statements, ownRegion, { ...saving, saved }),
            tell: (statements) => tellWhatWasTaken(statements, telling, signing),
          }),
        );
        const { secrets, unreadable } = saved;
        const completeUntil = beatAtMs === undefined ? undefined : new Date(beatAtMs);
        return { secrets: secrets.length, unreadable, completeUntil };
      } finally {
        for (const { secret } of keys) secret.fill(0);
        forget(companyId);
      }
    },

    leave: async (caller, subdomain, { acceptLoss = false }) => {
      const operation = await resolve(caller, "company.leave", subdomain);
      const { id } = operation.company;
      const claim = await database.acrossCompanies(async (statements) => {
        const [row] = await statements.select().from(companyRows).where(eq(companyRows.id, id));
        if (row === undefined) throw notFound();
        return findClaim(statements, { ownRegion, registry }, { id, homeEpoch: row.homeEpoch });
      });
      if (claim === undefined) throw conflict("No other region is the home of this company.");
      const lost = await findLostChanges(
        { database, registry, ownRegion },
        { companyId: id, home: claim.region },
      );
      if (lost.length > 0 && !acceptLoss) {
        await operations
          .steps(operation)
          .record({ outcome: "denied", reason: "CONFLICT", subject: claim.region });
        return { left: false, home: claim.region, lost };
      }
      await operations.change({ ...operation, subject: claim.region }, async (transaction) => {
        if ((await run.lookUpUnfinished(transaction.statements, id)) !== undefined)
          throw conflict("This company is being moved: its run leaves by itself.");
        const version = await leaveHome(transaction, id, claim);
        const events: readonly EventDetails[] = lost.map(({ secretKey }) => ({ secretKey, reason: "LOST" }));
        return audited(undefined, [{ version }, ...events]);
      });
      forget(id);
      return { left: true, home: claim.region, lost };
    },

    takeOverOffered: async (signal) => (await takeOverOffered(dependencies, signal)).length,
  };
}

function conflict(sentence: string): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", sentence);
}
