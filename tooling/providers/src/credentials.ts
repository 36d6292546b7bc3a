import { createHash, randomBytes } from "node:crypto";
import type { FaultQueue, Span } from "./faults.ts";
import type { ProviderRequest } from "./local-provider.ts";

export interface Credential {
  /** The provider's id, which is no secret. */
  readonly id: string;
  readonly name: string;
  readonly value: string;
}

/** A credential that a provider has neither deleted nor revoked. */
export interface LiveCredential {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of its value, in hex. */
  readonly fingerprint: string;
}

/** All credentials of one provider, and what faults do to them. */
export interface Credentials<Held extends Credential> {
  /** @param request the one that creates it; undefined for what a person does on the provider's pages, which meets no fault */
  add(credential: Held, request?: ProviderRequest): void;
  /** Counts as a call. @returns undefined for a value that is refused now */
  use(value: string): Held | undefined;
  /** Whether the value was ever one of a credential's. */
  knows(value: string): boolean;
  /** @param request as for `add` @returns false where there is none of this id */
  remove(id: string, request?: ProviderRequest): boolean;
  /** The live ones, oldest first. */
  all(): readonly Held[];
  live(): readonly LiveCredential[];
}

interface Standing<Held> {
  readonly credential: Held;
  /** Whether it is not known everywhere yet. */
  readonly isSpreading: () => boolean;
  /** Whether it is accepted before its revocation; undefined where no revocation is planned. */
  readonly holds: (() => boolean) | undefined;
  isGone: boolean;
  /** Whether a deleted one is still accepted. */
  lingers: () => boolean;
}

const never = () => false;

export function createCredentials<Held extends Credential>(faults: FaultQueue): Credentials<Held> {
  const standings = new Map<string, Standing<Held>>();
  const present = () => [...standings.values()].filter(({ isGone }) => !isGone);
  return {
    add(credential, request) {
      const spreading = request && faults.take(["propagation"], request);
      const breaking = request && faults.take(["breakNew"], request);
      standings.set(credential.value, {
        credential,
        isSpreading: spreading ? within(spreading.for) : never,
        holds: breaking && within(breaking.for),
        isGone: false,
        lingers: never,
      });
    },
    use(value) {
      const standing = standings.get(value);
      if (standing === undefined || standing.isSpreading()) return undefined;
      if (!standing.isGone && standing.holds?.() === false) standing.isGone = true;
      return !standing.isGone || standing.lingers() ? standing.credential : undefined;
    },
    knows: (value) => standings.has(value),
    remove(id, request) {
      const standing = present().find(({ credential }) => credential.id === id);
      if (standing === undefined) return false;
      const slow = request && faults.take(["slowDeletion"], request);
      standing.isGone = true;
      if (slow) standing.lingers = within(slow.for);
      return true;
    },
    all: () => present().map(({ credential }) => credential),
    live: () =>
      present().map(({ credential: { id, name, value } }) => ({
        id,
        name,
        fingerprint: createHash("sha256").update(value).digest("hex"),
      })),
  };
}

/** @returns letters, digits, - and _ */
export const randomText = (length: number): string =>
  randomBytes(length).toString("base64url").slice(0, length);

/** @returns whether a span that begins now still lasts; each question counts as a call */
function within(span: Span): () => boolean {
  if ("ms" in span) {
    const endsAt = performance.now() + span.ms;
    return () => performance.now() < endsAt;
  }
  let left = span.calls;
  return () => {
    left -= 1;
    return left >= 0;
  };
}
