import type { FolderSurvey, SurveyedSecret } from "@repo/infisical";
import type { Finding, FindingCode } from "@repo/catalog";

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

export interface Folder {
  readonly secrets: ReadonlyMap<string, FolderSecret>;
  /** Findings about the folder itself. */
  readonly findings: readonly Finding[];
}

/** @param survey undefined for a missing folder */
export function folderOf(survey: FolderSurvey | undefined): Folder {
  if (survey === undefined) return { secrets: new Map(), findings: [{ code: "COMPANY_WITHOUT_FOLDER" }] };
  const shared = Map.groupBy(
    survey.rows.filter(({ isPersonal }) => !isPersonal),
    ({ secretKey }) => secretKey,
  );
  const overridden = new Set(
    survey.rows.filter(({ isPersonal }) => isPersonal).map(({ secretKey }) => secretKey),
  );
  const secrets = new Map<string, FolderSecret>();
  for (const [secretKey, rows] of shared) {
    const [first, ...others] = rows.toSorted(newestFirst);
    if (first === undefined) continue;
    const { id, version, updatedAt, value } = first;
    const twins = others.length === 0 ? [] : rows.map((row) => row.id).toSorted();
    const beside = [...besideOf(first), ...(overridden.has(secretKey) ? (["PERSONAL"] as const) : [])];
    secrets.set(secretKey, { secretKey, id, version, updatedAt, value, twins, beside });
  }
  return { secrets, findings: [] };
}

/** As reads choose: an update reaches one of the twins, so the higher version is the one that was written to since. */
function newestFirst(a: SurveyedSecret, b: SurveyedSecret): number {
  return b.version - a.version || b.updatedAt.getTime() - a.updatedAt.getTime();
}

function besideOf({ hasComment, tags, metadata, hasReminder }: SurveyedSecret): readonly FindingCode[] {
  return [
    ...(hasComment ? (["LOSES_COMMENT"] as const) : []),
    ...(tags > 0 ? (["LOSES_TAGS"] as const) : []),
    ...(metadata > 0 ? (["LOSES_METADATA"] as const) : []),
    ...(hasReminder ? (["LOSES_REMINDER"] as const) : []),
  ];
}
