import { eq, sql } from "drizzle-orm";
import { tables } from "@repo/db";
import { newestOfEach } from "@repo/infisical";
import { isStoreUnavailable } from "@repo/audit-log";
import {
  type CompanyMigrationResult,
  type Finding,
  keyDestroyed,
  type SecretStoreName,
  TenantSecretsError,
} from "@repo/catalog";
import { changeCompanyRow } from "../companies/change-company.ts";
import { endMirror } from "../companies/company-mirror.ts";
import { refuseExternal } from "../keys/external/refuse-external.ts";
import { lockCompany, StoreChanged } from "../companies/company-lock.ts";
import { type Comparison, type ComparedSecret } from "./comparison.ts";
import { compare, type CompanyOutcome, type CompanyWork, resultOf } from "./company-work.ts";
import { refuseCopied } from "./copied-companies.ts";
import { comparison } from "./copy.ts";
import { makeCopiesOfFolder, makeOwn } from "./copy-origin.ts";
import { driftEvent, driftsSince } from "./drift.ts";
import { replaceLedger } from "./ledger.ts";
import {
  abandonUnknownWrites,
  holdWrites,
  refuseOpenWrites,
  releaseWrites,
  requireEpoch,
  requireHold,
  settleOutsideWrites,
  tookTooLong,
} from "./store-hold.ts";

const { companies, companyStores, shreddings } = tables;

/** Secrets that may change while writes are held; with more, the hold ends and the change begins again. */
const mostWhileHeld = 20;
/** How often that may happen in a row, for a company that is written to all the time. */
const maxRounds = 3;

/** How one direction brings the two sides together, and when they are. */
export interface Direction {
  readonly to: SecretStoreName;
  /** What prevents the change, of the sides as they are. */
  readonly findings: (found: Comparison) => readonly Finding[];
  /** Whether a secret is still to be brought to the other side. */
  readonly isOpen: (secret: ComparedSecret) => boolean;
  /** Brings open secrets to the other side. @returns how many were changed */
  readonly bring: (work: CompanyWork, found: Comparison) => Promise<number>;
}

/**
 * The only function that changes a company's store, in every direction: brings the sides together, holds writes, brings what
 * has changed meanwhile, compares every value, and flips the store together with its epoch. A process that dies in it leaves the
 * company as it was, or flipped; a hold ends by itself.
 */
export async function changeStore(work: CompanyWork, direction: Direction): Promise<CompanyOutcome> {
  await refuseShredded(work);
  await work.step.commit(async (statements) => {
    await refuseCopied(statements, [work.company.id]);
    if (direction.to !== "database")
      await refuseExternal(statements, [work.company.id], "brought to its folder in Infisical");
  });
  let moved = 0;
  for (let round = 0; round < maxRounds; round += 1) {
    const before = await comparison(work);
    const blocking = direction.findings(before);
    if (blocking.length > 0) {
      const findings = blocking.filter((finding) => !before.findings.includes(finding));
      return { state: "blocked", result: resultOf(work, before, { moved, findings }) };
    }
    moved += await direction.bring(work, before);
    const held = await whileHeld(work, direction, before);
    moved += held.moved;
    if (held.state === "changed") {
      const { found, heldMs, epochAfter } = held;
      const findings = await nameLateEdits(work, found);
      const extra = { moved, findings, to: direction.to, epochAfter, heldMs };
      return { state: "done", result: resultOf(work, found, extra) };
    }
  }
  throw stillChanging();
}

function stillChanging(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "The secrets of this company kept changing, or some could not be brought to the other side. Nothing of its store was changed: verify the company to see which.",
  );
}

type Held =
  | { readonly state: "too much"; readonly moved: number }
  | ({ readonly state: "changed"; readonly moved: number; readonly found: Comparison } & Pick<
      CompanyMigrationResult,
      "epochAfter"
    > & { readonly heldMs: number });

async function whileHeld(
  work: CompanyWork,
  direction: Direction,
  { counts: { inFolder: before } }: Comparison,
): Promise<Held> {
  const { company, parts } = work;
  const heldAt = performance.now();
  const endsAt = await holdWrites(work);
  const inTime = (): void => {
    if (performance.now() >= endsAt) throw tookTooLong();
  };
  try {
    await settleOutsideWrites(work);
    let found = await compare(work);
    inTime();
    const open = found.secrets.filter(direction.isOpen).length;
    // A folder that seems to have become empty is looked at again without a hold.
    const isEmptied = found.counts.inFolder === 0 && before > 0;
    if (isEmptied || open > mostWhileHeld) return { state: "too much", moved: 0 };
    let moved = 0;
    if (open > 0) {
      moved = await direction.bring(work, found);
      inTime();
      found = await compare(work);
    }
    // An edit in Infisical meanwhile, or a write back whose outcome is not known.
    if (found.secrets.some(direction.isOpen) || direction.findings(found).length > 0)
      return { state: "too much", moved };
    inTime();
    const epochAfter = await flip(work, direction.to, found);
    return { state: "changed", moved, found, epochAfter, heldMs: Math.round(performance.now() - heldAt) };
  } finally {
    // If this fails, the hold ends by itself.
    await releaseWrites(work).catch(() => {});
    parts.forget(company.id);
  }
}

/** One transaction: store, epoch, origins, the ledger, and the event. @returns the new epoch */
async function flip(work: CompanyWork, to: SecretStoreName, found: Comparison): Promise<number> {
  const { parts, step, company } = work;
  const { companyKeys, authentic, audit } = parts;
  const changedSince = to === "hybrid" && company.secretStore === "database" ? changedCopies(found) : none;
  const keys = to === "infisical" || changedSince.size > 0 ? await companyKeys.usable(company.id) : undefined;
  return authentic.change(async (statements, writer) => {
    await step.hold(statements);
    await lockCompany(statements, company.id);
    await requireEpoch(statements, company);
    await requireHold(statements, work);
    await refuseCopied(statements, [company.id]);
    const [row] = await statements
      .select()
      .from(companies)
      .where(eq(companies.id, company.id))
      .for("no key update");
    if (row === undefined) throw new StoreChanged();
    if (to !== "infisical") await abandonUnknownWrites(statements, work);
    else await refuseOpenWrites(statements, work);
    if (keys !== undefined && to === "infisical") await makeCopiesOfFolder(statements, company.id, keys);
    if (keys !== undefined && to === "hybrid")
      await makeOwn(statements, { companyId: company.id, keys }, changedSince);
    const storeEpoch = company.storeEpoch + 1;
    const changed = await changeCompanyRow({ statements, writer }, row, { secretStore: to, storeEpoch });
    const leftIn = to === "infisical" ? ("database" as const) : ("infisical" as const);
    // The copy in the folder is as old as the first change away from it.
    const wasLeft = company.secretStore !== "infisical" && to !== "infisical";
    const state = { leftIn, ...(wasLeft ? {} : { changedAt: sql`now()`, cleanedAt: null }) };
    await statements
      .insert(companyStores)
      .values({ companyId: company.id, ...state })
      .onConflictDoUpdate({ target: companyStores.companyId, set: state });
    await audit.recordInTransaction(statements, step.caller, {
      action: "company.set-store",
      outcome: "success",
      companyId: company.id,
      version: changed.revision,
      subject: step.run.id,
      reason: reasons[to],
    });
    await replaceLedger(statements, company.id, found.secrets);
    if (to === "infisical") {
      const events = await endMirror(statements, company.id);
      await audit.recordInTransaction(statements, step.caller, events);
    }
    return storeEpoch;
  });
}

/**
 * Names what others changed in the folder between its last comparison and the flip. It is not taken over: the company reads from
 * elsewhere.
 */
async function nameLateEdits(
  { parts, folders, step, company }: CompanyWork,
  { secrets }: Comparison,
): Promise<readonly Finding[]> {
  if (company.secretStore !== "infisical") return [];
  // The store is changed, whatever Infisical answers now.
  const rows = await folders.summaries(company).catch(undefinedIfUnavailable);
  const drifts = rows === undefined ? [] : driftsSince(secrets, newestOfEach(rows));
  if (drifts.length === 0) return [];
  await parts.audit.ready();
  await step.commit((statements) =>
    parts.audit.recordInTransaction(
      statements,
      step.caller,
      // Other names in the folder may be anything.
      drifts
        .filter(({ secretKey }) => parts.catalog.find(secretKey) !== undefined)
        .map((drift) => driftEvent(company.id, drift)),
    ),
  );
  return drifts.map(({ secretKey }) => ({ code: "CHANGED_AFTERWARDS", secretKey }));
}

function undefinedIfUnavailable(error: unknown): undefined {
  if (isStoreUnavailable(error)) return undefined;
  throw error;
}

const none: ReadonlySet<string> = new Set();

/** Copies whose secret was changed in the folder while it was not read. */
function changedCopies({ secrets }: Comparison): ReadonlySet<string> {
  const changed = secrets.filter(
    ({ standing, database }) => standing === "newer-in-database" && database?.origin === "infisical",
  );
  return new Set(changed.map(({ secretKey }) => secretKey));
}

/** In the event, the store that the company has from there on. */
const reasons = {
  infisical: "TO_INFISICAL",
  hybrid: "TO_HYBRID",
  database: "TO_DATABASE",
} as const satisfies Readonly<Record<SecretStoreName, string>>;

async function refuseShredded({ step, company }: CompanyWork): Promise<void> {
  const [shredded] = await step.commit((statements) =>
    statements
      .select({ companyId: shreddings.companyId })
      .from(shreddings)
      .where(eq(shreddings.companyId, company.id)),
  );
  if (shredded !== undefined) throw keyDestroyed();
}
