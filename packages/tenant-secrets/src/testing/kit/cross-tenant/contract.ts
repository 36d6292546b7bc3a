import { isDeepStrictEqual } from "node:util";
import { attemptsOf, namesIn } from "./attempts.ts";
import { plainOf, textsIn } from "./plain.ts";
import { type Outcome, outcomeOf, proceduresOf, type RouterLike, type WalkedProcedure } from "./walk.ts";

/** By the path of a procedure: an input of a tenant's own, which it may send. */
export type TenantInputs<T> = Readonly<Record<string, (tenant: T) => unknown>>;

export interface CrossTenantOptions<T> {
  /** Any router of tRPC 11. Its lazy routers are loaded. */
  readonly router: RouterLike;
  /** The context of a call by this tenant. */
  readonly contextFor: (tenant: T) => unknown;
  /** The one that calls, and the one whose things it names. Both have everything that the inputs name. */
  readonly tenants: readonly [caller: T, other: T];
  /** One that is not there, with ids of the same form that nothing has. */
  readonly absent: T;
  /** May be async, such as where a procedure takes away what it is called for. */
  readonly inputs: TenantInputs<T>;
  /** The procedures without inputs, each with the reason. A path may end with `.*`. */
  readonly except?: Readonly<Record<string, string>> | undefined;
  /** The procedures that answer, and do not fail, for what is not there, each with the reason: a list of those that are there. */
  readonly answering?: Readonly<Record<string, string>> | undefined;
  /** Everything that is stored of a tenant, in any form that can be compared. */
  readonly snapshot: (tenant: T) => Promise<unknown>;
  /** Texts that no other tenant may get to see: names, e-mail addresses, contents. The ids of the inputs are looked for as well. */
  readonly textsOf?: ((tenant: T) => readonly string[]) | undefined;
}

/** What a tenant learns or changes of another one. It has no value: a report of it can be shown. */
export interface CrossTenantFault {
  readonly procedure: string;
  readonly fault: string;
}

/** Registers a test, as `test` of vitest and of `node:test` do. */
type Register = (title: string, check: () => Promise<void>) => unknown;

/**
 * Registers a test for each procedure of a router: called by one tenant with ids of another one's, it fails as it does for ids that
 * nothing has, to the code, the message and the data; it shows nothing of the other tenant, and changes nothing of it. The tenant's
 * own call works, so that the inputs are real ones. What differs in time alone is not found.
 *
 * Another test fails for a procedure that has neither inputs nor a reason, so that a new one is not forgotten.
 */
export async function crossTenantContract<T>(
  register: Register,
  options: CrossTenantOptions<T>,
): Promise<void> {
  const procedures = await proceduresOf(options.router);
  register("every procedure has inputs that name what is a tenant's, or a reason why it has none", async () =>
    report(unlisted(procedures, options)),
  );
  for (const procedure of procedures.filter(({ path }) => Object.hasOwn(options.inputs, path))) {
    register(
      `${procedure.path} tells a tenant nothing of another one's, and changes nothing of it`,
      async () => report(await faultsOf(procedure, options)),
    );
  }
}

/** As {@link crossTenantContract}, without a test runner. @returns every fault of every procedure */
export async function crossTenantFaults<T>(
  options: CrossTenantOptions<T>,
): Promise<readonly CrossTenantFault[]> {
  const procedures = await proceduresOf(options.router);
  const faults = [...unlisted(procedures, options)];
  for (const procedure of procedures.filter(({ path }) => Object.hasOwn(options.inputs, path))) {
    faults.push(...(await faultsOf(procedure, options)));
  }
  return faults;
}

function report(faults: readonly CrossTenantFault[]): void {
  if (faults.length === 0) return;
  throw new Error(faults.map(({ procedure, fault }) => `${procedure} ${fault}`).join("\n"));
}

function unlisted<T>(
  procedures: readonly WalkedProcedure[],
  { inputs, except = {}, answering = {} }: CrossTenantOptions<T>,
): readonly CrossTenantFault[] {
  const paths = procedures.map(({ path }) => path);
  const isOf = (pattern: string, path: string) =>
    pattern.endsWith(".*") ? path.startsWith(pattern.slice(0, -1)) : pattern === path;
  const excepted = (path: string) => Object.keys(except).some((pattern) => isOf(pattern, path));
  const named = [...Object.keys(inputs), ...Object.keys(except), ...Object.keys(answering)];
  return [
    ...paths
      .filter((path) => !Object.hasOwn(inputs, path) && !excepted(path))
      .map((procedure) => ({ procedure, fault: "has no inputs, and no reason why not" })),
    ...named
      .filter((pattern) => !paths.some((path) => isOf(pattern, path)))
      .map((procedure) => ({ procedure, fault: "is listed, and is no procedure" })),
    ...Object.entries({ ...except, ...answering })
      .filter(([, reason]) => reason.trim() === "")
      .map(([procedure]) => ({ procedure, fault: "is listed without a reason" })),
  ];
}

async function faultsOf<T>(
  procedure: WalkedProcedure,
  options: CrossTenantOptions<T>,
): Promise<readonly CrossTenantFault[]> {
  const { router, contextFor, inputs, tenants, absent, answering = {}, snapshot, textsOf } = options;
  const [caller, other] = tenants;
  const { path } = procedure;
  const inputOf = async (tenant: T): Promise<unknown> => inputs[path]?.(tenant);
  const [own, foreign, none] = [await inputOf(caller), await inputOf(other), await inputOf(absent)];
  const secretTexts = [...(textsOf?.(other) ?? []), ...[...namesIn(foreign, own)].filter(isTelling)];
  const call = async (input: unknown) => outcomeOf(router, procedure, { ctx: contextFor(caller), input });
  const found = new Set<string>();

  const before = await snapshot(other);
  for (const attempt of attemptsOf(own, foreign, none)) {
    const [sent, sentNone] = [namesIn(attempt.foreign, own), namesIn(attempt.absent, own)];
    const [got, gotNone] = [await call(attempt.foreign), await call(attempt.absent)];
    const of = `for another tenant's ${attempt.field}`;
    const [plain, plainNone] = [plainOutcome(got, sent), plainOutcome(gotNone, sentNone)];
    if (got.kind === "answer" && !Object.hasOwn(answering, path)) found.add(`answers ${of}`);
    for (const difference of differences(plain, plainNone)) {
      found.add(`differs in ${difference} ${of} from what is not there`);
    }
    if (
      tells(
        plain,
        secretTexts.filter((text) => !sent.has(text)),
      )
    )
      found.add(`shows what is another tenant's ${of}`);
  }
  if (!isDeepStrictEqual(await snapshot(other), before)) found.add("changes what is another tenant's");

  const result = await call(own);
  if (result.kind === "error") {
    found.add(`fails with ${String(result.code)} for the tenant's own input, so that nothing was tested`);
  }
  if (tells(plainOutcome(result, new Set()), secretTexts)) {
    found.add("shows what is another tenant's for the tenant's own input");
  }
  return [...found].map((fault) => ({ procedure: path, fault }));
}

/** Shorter ones, and numbers, are in many answers by chance. */
function isTelling(text: string): boolean {
  return text.length >= 6 && !/^\d+$/.test(text);
}

interface PlainOutcome {
  readonly kind: Outcome["kind"];
  readonly parts: Readonly<Record<string, unknown>>;
}

function plainOutcome(outcome: Outcome, sent: ReadonlySet<string>): PlainOutcome {
  const { kind, ...parts } = outcome;
  return {
    kind,
    parts: Object.fromEntries(
      Object.entries(parts).map(([name, part]) => [name, name === "code" ? part : plainOf(part, sent)]),
    ),
  };
}

function differences(a: PlainOutcome, b: PlainOutcome): readonly string[] {
  if (a.kind !== b.kind) return ["whether it answers"];
  return Object.keys(a.parts).filter((name) => !isDeepStrictEqual(a.parts[name], b.parts[name]));
}

function tells({ parts }: PlainOutcome, texts: readonly string[]): boolean {
  const shown = textsIn(parts);
  return texts.some((text) => text !== "" && shown.some((each) => each.includes(text)));
}
