import { z } from "zod";
import { InfisicalError } from "./errors.ts";
import { hiddenValue } from "./input.ts";
import { rightTo } from "./rights.ts";

export interface InfisicalSecret {
  readonly secretKey: string;
  readonly value: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export type InfisicalSecretSummary = Omit<InfisicalSecret, "value">;

export interface InfisicalFolder {
  readonly id: string;
  readonly name: string;
}

/** The scope of a request. A response about another scope is rejected. */
export interface Scope {
  readonly projectId: string;
  readonly environment: string;
  readonly path: string;
}

export const timestamp = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const writtenSecret = z.object({
  workspace: z.string(),
  environment: z.string(),
  secretKey: z.string().min(1),
  version: z.int().positive(),
});
const summary = writtenSecret.extend({
  secretPath: z.string().optional(),
  createdAt: timestamp,
  updatedAt: timestamp,
});
const secret = summary.extend({ secretValue: z.string(), secretValueHidden: z.boolean().optional() });
const folder = z.object({ id: z.string().min(1), name: z.string().min(1) });
const anything = z.object({});

/** @throws {InfisicalError} `INVALID_RESPONSE`, or `FORBIDDEN` where the value is masked */
export function parseSecret(body: unknown, scope: Scope, name: string): InfisicalSecret {
  return named(decryptSecret(inScope(parse(secret, body), scope), scope), name);
}

/** @throws {InfisicalError} `INVALID_RESPONSE`, or `FORBIDDEN` where any value is masked */
export function parseSecrets(body: unknown, scope: Scope): InfisicalSecret[] {
  const { secrets } = parse(z.object({ secrets: z.array(secret) }), body);
  return newestOfEach(secrets.map((item) => decryptSecret(inScope(item, scope), scope)));
}

/** @throws {InfisicalError} `INVALID_RESPONSE` */
export function parseSummaries(body: unknown, scope: Scope): InfisicalSecretSummary[] {
  // The older server sends the values all the same; this schema drops them.
  const { secrets } = parse(z.object({ secrets: z.array(summary) }), body);
  return newestOfEach(
    secrets.map((item) => {
      const { secretKey, version, createdAt, updatedAt } = inScope(item, scope);
      return { secretKey, version, createdAt, updatedAt };
    }),
  );
}

/** The names of all secrets of the answer, as often as there are secrets of that name. @throws {InfisicalError} `INVALID_RESPONSE` */
export function namesOf(body: unknown): string[] {
  return parse(z.object({ secrets: z.array(z.object({ secretKey: z.string() })) }), body).secrets.map(
    ({ secretKey }) => secretKey,
  );
}

/** Reads the answer to a write: of the secret's fields both server generations send only these, path and value set aside. */
export function parseWritten(body: unknown, scope: Scope, name: string): { version: number } {
  const { version } = named(inScope(parse(z.object({ secret: writtenSecret }), body).secret, scope), name);
  return { version };
}

/** All folders of the answer, those that share a name too. Any order. */
export function parseFolders(body: unknown): InfisicalFolder[] {
  return parse(z.object({ folders: z.array(folder) }), body).folders;
}

/** @throws {InfisicalError} `INVALID_RESPONSE` unless the answer is about the folder `name` */
export function checkFolder(body: unknown, name: string): void {
  if (parse(z.object({ folder }), body).folder.name !== name) throw new InfisicalError("INVALID_RESPONSE");
}

/** @throws {InfisicalError} `INVALID_RESPONSE` unless the answer has the shape of a deletion's */
export function checkDeleted(body: unknown, what: "secret" | "folder"): void {
  parse(z.object({ [what]: anything }), body);
}

/** @throws {InfisicalError} `INVALID_RESPONSE` */
export function parse<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  // zod's own error quotes what it got.
  if (!parsed.success) throw new InfisicalError("INVALID_RESPONSE");
  return parsed.data;
}

/** @throws {InfisicalError} `INVALID_RESPONSE` */
export function inScope<
  Item extends { workspace: string; environment: string; secretPath?: string | undefined },
>(item: Item, scope: Scope): Item {
  const isOurs =
    item.workspace === scope.projectId &&
    item.environment === scope.environment &&
    (item.secretPath === undefined || item.secretPath === scope.path);
  if (!isOurs) throw new InfisicalError("INVALID_RESPONSE");
  return item;
}

function named<Item extends { secretKey: string }>(item: Item, name: string): Item {
  if (item.secretKey !== name) throw new InfisicalError("INVALID_RESPONSE");
  return item;
}

function decryptSecret(item: z.output<typeof secret>, { path }: Scope): InfisicalSecret {
  const { secretKey, secretValue: value, version, createdAt, updatedAt } = item;
  if (item.secretValueHidden === true || value === hiddenValue) {
    throw new InfisicalError("FORBIDDEN", { right: rightTo.read(path) });
  }
  return { secretKey, value, version, createdAt, updatedAt };
}

/**
 * Two creates at once can leave two secrets of one name, which the older server lists side by side in random
 * order. Updates reach only one of them, so the higher version is the one that was written to since; where that
 * is a tie, the later one. Every process must choose the same, or caches would disagree.
 *
 * @returns ordered by name
 */
export function newestOfEach<Item extends InfisicalSecretSummary>(items: readonly Item[]): Item[] {
  const newest = new Map<string, Item>();
  for (const item of items) {
    const rival = newest.get(item.secretKey);
    const isNewer =
      rival === undefined ||
      item.version > rival.version ||
      (item.version === rival.version && item.updatedAt.getTime() > rival.updatedAt.getTime());
    if (isNewer) newest.set(item.secretKey, item);
  }
  return [...newest.values()].toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
}
