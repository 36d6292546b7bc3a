import { z } from "zod";
import { inScope, parse, timestamp } from "./answers.ts";
import type { Scope } from "./answers.ts";
import { InfisicalError } from "./errors.ts";
import { hiddenValue } from "./input.ts";

/** One row of a folder, with what a copy of its value would leave behind. */
export interface SurveyedSecret {
  readonly id: string;
  /** Of any form, and not unique in its folder. */
  readonly secretKey: string;
  /** The text as it stands. Undefined where this identity may not see it. */
  readonly value: string | undefined;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** One person's own value for a shared secret. Servers show these to the person alone, and so to no machine identity. */
  readonly isPersonal: boolean;
  readonly hasComment: boolean;
  /** The number of tags. */
  readonly tags: number;
  /** The number of entries. */
  readonly metadata: number;
  /** Reminders that newer servers keep apart from the secret are not seen. */
  readonly hasReminder: boolean;
}

export type SurveyedSummary = Pick<
  SurveyedSecret,
  "id" | "secretKey" | "version" | "createdAt" | "updatedAt"
>;

/** A folder as a list names it. */
export interface ListedFolder {
  readonly id: string;
  readonly name: string;
  /** Below the folder that was listed. Only servers that list recursively say it. */
  readonly relativePath?: string | undefined;
}

const summary = z.object({
  id: z.string().min(1),
  workspace: z.string(),
  environment: z.string(),
  secretPath: z.string().optional(),
  secretKey: z.string().min(1),
  version: z.int().positive(),
  createdAt: timestamp,
  updatedAt: timestamp,
});
const row = summary.extend({
  type: z.enum(["shared", "personal"]),
  secretValue: z.string(),
  secretValueHidden: z.boolean().optional(),
  secretComment: z.string().nullish(),
  secretReminderNote: z.string().nullish(),
  secretReminderRepeatDays: z.number().nullish(),
  tags: z.array(z.unknown()).nullish(),
  secretMetadata: z.array(z.unknown()).nullish(),
  /** What the older server has in place of `secretMetadata`. */
  metadata: z.record(z.string(), z.unknown()).nullish(),
});
const folder = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  relativePath: z.string().optional(),
});

/** All rows of the answer, ordered by name and id. @throws {InfisicalError} `INVALID_RESPONSE` */
export function parseSurvey(body: unknown, scope: Scope): SurveyedSecret[] {
  const { secrets } = parse(z.object({ secrets: z.array(row) }), body);
  return inOrder(secrets.map((item) => surveyed(inScope(item, scope))));
}

/** @throws {InfisicalError} `INVALID_RESPONSE` */
export function parseSurveySummaries(body: unknown, scope: Scope): SurveyedSummary[] {
  // The older server sends the values all the same; this schema drops them.
  const { secrets } = parse(z.object({ secrets: z.array(summary) }), body);
  return inOrder(secrets.map((item) => summarized(inScope(item, scope))));
}

/** @throws {InfisicalError} `INVALID_RESPONSE` */
export function parseFolderTree(body: unknown): ListedFolder[] {
  const { folders } = parse(z.object({ folders: z.array(folder) }), body);
  for (const { name, relativePath } of folders) {
    const isFitting =
      relativePath === undefined || (relativePath.startsWith("/") && relativePath.endsWith(`/${name}`));
    if (!isFitting) throw new InfisicalError("INVALID_RESPONSE");
  }
  return folders;
}

/** How many imports the answer lists. @throws {InfisicalError} `INVALID_RESPONSE` */
export function countImportsIn(body: unknown): number {
  return parse(z.object({ secretImports: z.array(z.object({ id: z.string() })) }), body).secretImports.length;
}

function surveyed(item: z.output<typeof row>): SurveyedSecret {
  const { secretValue, secretComment, secretReminderNote, secretReminderRepeatDays } = item;
  const isHidden = item.secretValueHidden === true || secretValue === hiddenValue;
  return {
    ...summarized(item),
    value: isHidden ? undefined : secretValue,
    isPersonal: item.type === "personal",
    hasComment: isText(secretComment),
    tags: item.tags?.length ?? 0,
    metadata: (item.secretMetadata?.length ?? 0) + Object.keys(item.metadata ?? {}).length,
    hasReminder: isText(secretReminderNote) || typeof secretReminderRepeatDays === "number",
  };
}

function summarized({
  id,
  secretKey,
  version,
  createdAt,
  updatedAt,
}: z.output<typeof summary>): SurveyedSummary {
  return { id, secretKey, version, createdAt, updatedAt };
}

const isText = (text: string | null | undefined) => text !== undefined && text !== null && text.trim() !== "";

/** Servers send rows in random order. */
function inOrder<Item extends SurveyedSummary>(items: readonly Item[]): Item[] {
  const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));
  return items.toSorted((a, b) => compare(a.secretKey, b.secretKey) || compare(a.id, b.id));
}
