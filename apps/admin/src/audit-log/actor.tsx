import { CircleHelp, Cog, KeySquare, ShieldUser, User, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

export interface Actor {
  readonly kind: string;
  readonly id: string;
  readonly name?: string | undefined;
}

const kinds: Readonly<Record<string, readonly [word: string, icon: LucideIcon]>> = {
  user: ["Person", User],
  service: ["API key", KeySquare],
  operator: ["Operator", ShieldUser],
  job: ["Job", Cog],
  anonymous: ["Not signed in", CircleHelp],
};

export function kindOf(kind: string): string {
  return kinds[kind]?.[0] ?? kind;
}

/** Who it was, as far as the company knows them. An operator and an unknown sender have no name in it. */
export function nameOf({ kind, id, name }: Actor): string {
  if (name !== undefined) return name;
  if (kind === "job") return id;
  return /^[0-9a-f-]{36}$/.test(id) ? `${kindOf(kind)} ${id.slice(0, 8)}` : kindOf(kind);
}

/** The name after the icon of its kind, which is read aloud. */
export function ActorName({ actor }: { readonly actor: Actor }): ReactNode {
  const [word, Icon] = kinds[actor.kind] ?? [actor.kind, CircleHelp];
  const name = nameOf(actor);
  return (
    <span className="flex min-w-0 items-center gap-2 max-tablet:justify-end" title={word}>
      <Icon size={16} aria-hidden className="shrink-0 text-muted" />
      {!name.startsWith(word) && <span className="sr-only">{word}: </span>}
      <span className="truncate">{name}</span>
    </span>
  );
}
