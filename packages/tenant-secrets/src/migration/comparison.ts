import { survivesInfisical } from "@repo/infisical";
import {
  type Catalog,
  checkValueText,
  type Finding,
  type FindingCode,
  findingMeanings,
  maxValueBytes,
  type MigrationCounts,
  SecretKey,
  type SecretStoreName,
} from "@repo/catalog";
import { Plaintext, sameBytes } from "@repo/envelope";
import type { DatabaseSecret } from "./database-side.ts";
import type { Folder, FolderSecret } from "./folder.ts";

/** How a secret in the folder and its counterpart in the database compare. */
export type Standing =
  | "equal"
  | "only-in-folder"
  | "newer-in-folder"
  | "removed-in-folder"
  | "newer-in-database"
  | "only-in-database"
  | "removed-in-database"
  /** Removed in the database, and not in the folder either. */
  | "removed"
  | "blocked"
  | "stays"
  | "unopenable";

export interface ComparedSecret {
  readonly secretKey: string;
  readonly standing: Standing;
  readonly folder: FolderSecret | undefined;
  readonly database: DatabaseSecret | undefined;
}

export interface Comparison {
  /** By secret key. */
  readonly secrets: readonly ComparedSecret[];
  readonly findings: readonly Finding[];
  readonly counts: MigrationCounts;
}

export interface ComparisonOptions {
  readonly catalog: Catalog;
  /** The company's store: `infisical` means that the folder is what counts, the others that the database does. */
  readonly store: SecretStoreName;
  /** Of several secrets of one name in the folder, the newest counts. */
  readonly takeNewest: boolean;
}

export interface Sides {
  readonly folder: Folder;
  readonly database: ReadonlyMap<string, DatabaseSecret>;
}

/** Compares all secrets of a company, value by value. Plaintexts of the database are wiped. */
export function compareSides({ folder, database }: Sides, options: ComparisonOptions): Comparison {
  const findings: Finding[] = [];
  const names = [...new Set([...folder.keys(), ...database.keys()])].toSorted();
  const secrets = names.map((secretKey): ComparedSecret => {
    const inFolder = folder.get(secretKey);
    const found = database.get(secretKey);
    const { standing, codes } = standingOf(secretKey, { inFolder, here: found }, options);
    findings.push(...codes.map((code) => ({ code, secretKey, ...detailOf(code, inFolder) })));
    return { secretKey, standing, folder: inFolder, database: found };
  });
  return { secrets, findings, counts: countsOf(secrets) };
}

/** Whether a finding prevents a change of the store. */
export function blocks({ code }: Finding): boolean {
  return findingMeanings[code].severity === "blocks";
}

interface Pair {
  readonly inFolder: FolderSecret | undefined;
  readonly here: DatabaseSecret | undefined;
}

interface Judgement {
  readonly standing: Standing;
  readonly codes: readonly FindingCode[];
}

function standingOf(secretKey: string, { inFolder, here }: Pair, options: ComparisonOptions): Judgement {
  const folderCounts = options.store === "infisical";
  if (inFolder === undefined) return judgeWithoutFolder(here, folderCounts);
  // A tombstone of a copy says that the folder had no such secret then.
  const isKnown = here !== undefined && (here.isLive || here.origin !== "infisical");
  if (!isKnown) return movable(secretKey, inFolder, { ...options, standing: "only-in-folder" });
  if (!here.isLive) {
    if (folderCounts) return { standing: "blocked", codes: ["TOMBSTONED_HERE"] };
    return { standing: "removed-in-database", codes: [] };
  }
  const isSame = hasValue(here, inFolder.value);
  if (isSame === undefined) return { standing: "unopenable", codes: ["UNOPENABLE"] };
  if (isSame && (inFolder.twins.length === 0 || !folderCounts || options.takeNewest))
    return { standing: "equal", codes: inFolder.beside };
  if (here.origin !== "infisical") {
    if (folderCounts) return { standing: "blocked", codes: ["DIFFERS_HERE"] };
    return { standing: "newer-in-database", codes: [] };
  }
  if (options.store === "database") return { standing: "newer-in-database", codes: [] };
  return movable(secretKey, inFolder, { ...options, standing: isSame ? "equal" : "newer-in-folder" });
}

function judgeWithoutFolder(here: DatabaseSecret | undefined, folderCounts: boolean): Judgement {
  if (here?.isLive !== true) return { standing: "removed", codes: [] };
  if (folderCounts && here.origin === "infisical") return { standing: "removed-in-folder", codes: [] };
  const plaintext = here.open();
  if (plaintext === undefined) return { standing: "unopenable", codes: ["UNOPENABLE"] };
  plaintext.wipe();
  return folderCounts
    ? { standing: "blocked", codes: ["DIFFERS_HERE"] }
    : { standing: "only-in-database", codes: [] };
}

/** Whether a secret of the folder can become one of the database. */
function movable(
  secretKey: string,
  folder: FolderSecret,
  { catalog, takeNewest, standing }: ComparisonOptions & { readonly standing: Standing },
): Judgement {
  const { value, twins, beside } = folder;
  const blockedBy = (code: FindingCode): Judgement => ({ standing: "blocked", codes: [code] });
  if (!SecretKey.safeParse(secretKey).success) return blockedBy("NAME_REFUSED");
  const entry = catalog.find(secretKey);
  if (entry === undefined) return blockedBy("NOT_LISTED");
  if (entry.backfill === false) return { standing: "stays", codes: ["STAYS"] };
  if (twins.length > 0 && !takeNewest) return blockedBy("TWIN");
  if (value === undefined) return blockedBy("HIDDEN");
  const refusal = refusalOf(catalog, secretKey, value);
  if (refusal !== undefined) return blockedBy(refusal);
  return { standing, codes: [...(value.includes("${") ? (["REFERENCE"] as const) : []), ...beside] };
}

function refusalOf(catalog: Catalog, secretKey: string, value: string): FindingCode | undefined {
  if (value === "") return "EMPTY";
  if (!value.isWellFormed()) return "NOT_WELL_FORMED";
  if (value.includes("\0")) return "NUL";
  if (Buffer.byteLength(value, "utf8") > maxValueBytes) return "TOO_LARGE";
  try {
    checkValueText(catalog, secretKey, value);
    return undefined;
  } catch {
    return "VALUE_REFUSED";
  }
}

/** @returns undefined if the database's value does not decrypt */
function hasValue(here: DatabaseSecret, value: string | undefined): boolean | undefined {
  const plaintext = here.open();
  if (plaintext === undefined) return undefined;
  try {
    if (value === undefined || !value.isWellFormed()) return false;
    const other = Plaintext.fromText(value);
    try {
      return sameBytes(plaintext.bytes, other.bytes);
    } finally {
      other.wipe();
    }
  } finally {
    plaintext.wipe();
  }
}

/** What prevents that a live secret of the database is written into the folder, and what the folder has no place for. */
export function findingsOfWriteBack({ secretKey, database }: ComparedSecret): readonly Finding[] {
  if (database?.isLive !== true) return [];
  const { pendingVersion, hasGraceWindow, expires, version } = database;
  const codes: FindingCode[] = [];
  const plaintext = database.open();
  try {
    if (plaintext === undefined) codes.push("UNOPENABLE");
    else if (!survivesInfisical(plaintext.reveal())) codes.push("WHITE_SPACE");
  } finally {
    plaintext?.wipe();
  }
  if (pendingVersion !== undefined) codes.push("LOSES_PENDING");
  if (hasGraceWindow) codes.push("LOSES_GRACE");
  if (expires) codes.push("LOSES_EXPIRY");
  if (version > 1) codes.push("LOSES_HISTORY");
  return codes.map((code) => ({ code, secretKey }));
}

function detailOf(code: FindingCode, folder: FolderSecret | undefined): Pick<Finding, "detail"> {
  if (code !== "TWIN" || folder === undefined) return {};
  return { detail: `read: ${folder.id}; all: ${folder.twins.join(", ")}` };
}

function countsOf(secrets: readonly ComparedSecret[]): MigrationCounts {
  const of = (standing: Standing): number => secrets.filter((secret) => secret.standing === standing).length;
  const values = secrets.flatMap(({ folder }) => folder?.value ?? []);
  return {
    inFolder: secrets.filter(({ folder }) => folder !== undefined).length,
    inDatabase: secrets.filter(({ database }) => database?.isLive === true).length,
    equal: of("equal"),
    onlyInFolder: of("only-in-folder"),
    newerInFolder: of("newer-in-folder"),
    removedInFolder: of("removed-in-folder"),
    newerInDatabase: of("newer-in-database"),
    onlyInDatabase: of("only-in-database"),
    removedInDatabase: of("removed-in-database"),
    blocked: of("blocked"),
    stays: of("stays"),
    unopenable: of("unopenable"),
    bytes: values.reduce((sum, value) => sum + Buffer.byteLength(value, "utf8"), 0),
  };
}
