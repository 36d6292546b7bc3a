import { type FolderSurvey, newestOfEach, type SurveyedSecret } from "@repo/infisical";
import type { FindingCode } from "@repo/catalog";

/** A secret in a company's folder in Infisical: of several of one name, the one that reads are served. */
export interface FolderSecret {
  readonly secretKey: string;
  readonly id: string;
  readonly version: number;
  readonly updatedAt: Date;
  /** Undefined if Infisical hides it from this service. */
  readonly value: string | undefined;
  /** The ids of all shared secrets of this name, if there are several. */
  readonly twins: readonly string[];
  /** What Infisical has beside the value, and what a migration only mentions. */
  readonly beside: readonly FindingCode[];
}

/** The secrets of a folder, by secret key. */
export type Folder = ReadonlyMap<string, FolderSecret>;

/** @param survey undefined for a missing folder */
export function folderOf(survey: FolderSurvey | undefined): Folder {
  const rows = survey?.rows ?? [];
  const shared = rows.filter(({ isPersonal }) => !isPersonal);
  const rowsOf = Map.groupBy(shared, ({ secretKey }) => secretKey);
  const overridden = new Set(rows.filter(({ isPersonal }) => isPersonal).map(({ secretKey }) => secretKey));
  return new Map(
    newestOfEach(shared).map((row): [string, FolderSecret] => {
      const { secretKey, id, version, updatedAt, value } = row;
      const ids = (rowsOf.get(secretKey) ?? []).map((each) => each.id);
      const twins = ids.length === 1 ? [] : ids.toSorted();
      const beside = [...besideOf(row), ...(overridden.has(secretKey) ? (["PERSONAL"] as const) : [])];
      return [secretKey, { secretKey, id, version, updatedAt, value, twins, beside }];
    }),
  );
}

function besideOf({ hasComment, tags, metadata, hasReminder }: SurveyedSecret): readonly FindingCode[] {
  return [
    ...(hasComment ? (["LOSES_COMMENT"] as const) : []),
    ...(tags > 0 ? (["LOSES_TAGS"] as const) : []),
    ...(metadata > 0 ? (["LOSES_METADATA"] as const) : []),
    ...(hasReminder ? (["LOSES_REMINDER"] as const) : []),
  ];
}
