import type { ExportState, HomeState, TargetState } from "./status.ts";

/** What can be wrong with a route. */
export const routeFaults = [
  /** The home publishes nothing for the target, or other rows than its copies: changed by hand. */
  "publication-changed",
  /** A slot was dropped, or gave up WAL that its subscriber has not had: what follows never arrives. */
  "slot-lost",
  "slot-inactive",
  "subscription-missing",
  "subscription-disabled",
  "worker-down",
  /** The first copy is not over. */
  "copying",
  /** The first copy ended and brought nothing, although there is something. */
  "empty",
  /** The ends differ. No fault while something is on its way: then they agree a moment later. */
  "differs",
  /** Copies of an earlier home or an older state have arrived. */
  "refused",
  "late",
] as const;
export type RouteFault = (typeof routeFaults)[number];

export interface RouteState {
  readonly home: HomeState;
  readonly exported: ExportState;
  readonly target: TargetState;
  /** By the clock that the home's beats are made by. */
  readonly now: Date;
}

/** Beats are made each second, and pass two servers. */
const longestBeatMs = 30_000;

/** Names what is wrong between two regions, in the order of {@link RouteFault}. Each fault once. */
export function faultsOf({ home, exported, target, now }: RouteState): readonly RouteFault[] {
  const slots = [home.slot.state, exported.slot.state];
  const subscriptions = [exported.subscription.state, target.subscription.state];
  const running = subscriptions.every((state) => state === "running");
  const isEmpty = (end: { readonly copies: number }) => home.copies > 0 && end.copies === 0;
  const isLate = target.beatAt === undefined || now.getTime() - target.beatAt.getTime() > longestBeatMs;
  const found: readonly (RouteFault | false)[] = [
    !home.isPublished && "publication-changed",
    (slots.includes("lost") || (running && slots.includes("missing"))) && "slot-lost",
    slots.includes("inactive") && "slot-inactive",
    subscriptions.includes("missing") && "subscription-missing",
    subscriptions.includes("disabled") && "subscription-disabled",
    subscriptions.includes("down") && "worker-down",
    subscriptions.includes("copying") && "copying",
    running && (isEmpty(exported) || isEmpty(target)) && "empty",
    (home.digest !== exported.digest || home.digest !== target.digest) && "differs",
    target.refusals > 0 && "refused",
    isLate && "late",
  ];
  return found.filter((fault) => fault !== false);
}
