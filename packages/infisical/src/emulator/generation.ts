import type { Refusal } from "./refusal.ts";
import type { RightAction } from "./state.ts";

export type SecretAction =
  | "get"
  | "create"
  | "update"
  | "delete"
  | "createMany"
  | "updateMany"
  | "deleteMany";

export interface WantedFolder {
  readonly path: string;
  /** The slug that was asked for; whether there is such an environment is `hasEnvironment`. */
  readonly environment: string;
  readonly hasEnvironment: boolean;
}

/** Everything in which servers of different times differ. All else in this folder is the same for all of them. */
export interface Generation {
  readonly refusals: Refusals;
  /** Which fields an answer about a secret has. */
  readonly secretFields: Readonly<Record<"created" | "changed" | "read" | "listed", readonly string[]>>;
  /** Which fields an answer about a folder has. */
  readonly folderFields: Readonly<Record<"made" | "listed" | "deleted" | "read", readonly string[]>>;
  /** The secrets in a place that is not there: an empty answer, or a refusal. */
  readonly listNowhere: (wanted: WantedFolder, isRecursive: boolean) => unknown;
  /** Whether a list without imports has the field `imports` all the same. */
  readonly hasImportsAlways: boolean;
  /** Whether nothing gets in between looking whether a name is taken and taking it, unless a test arranges a race. */
  readonly writesAtOnce: boolean;
  /** Whether a right is looked at before, or after, it is known whether what it is about exists. */
  readonly checksRightsFirst: boolean;
  /** Which rights an identity needs to make and delete folders. */
  readonly folderSubject: "secrets" | "secret-folders";
  /** As a refusal for want of a right names the action. */
  readonly nameOfAction: (action: RightAction) => string;
  /** Whether a token expires by its own date, or by what the server remembers of its last renewal. */
  readonly tokensExpire: "by-date" | "in-memory";
  readonly locksAfterFailedLogIns: boolean;
  readonly hasRequestIds: boolean;
  readonly honoursVersion: boolean;
  readonly honoursViewSecretValue: boolean;
  readonly checksReferences: boolean;
  readonly updatesWithoutValue: boolean;
  readonly listsFoldersRecursively: boolean;
  readonly sortsFolders: boolean;
  /** Names with a colon or a slash are refused for secrets, and anything but letters, digits, `-` and `_` for folders. */
  readonly checksNames: boolean;
  /** The same routes once more under their newer addresses. */
  readonly hasNewerRoutes: boolean;
}

export interface Refusals {
  invalid(violations: readonly unknown[]): Refusal;
  rateLimited(text: string): Refusal;
  unknownClient(): Refusal;
  unknownProject(id: string, on: "secrets" | "folders"): Refusal;
  notMember(projectId: string): Refusal;
  missingScope(): Refusal;
  badPath(): Refusal;
  missingFolder(wanted: WantedFolder, action: SecretAction): Refusal;
  missingSecret(name: string, action: SecretAction): Refusal;
  nameTaken(): Refusal;
  missingEnvironment(slug: string, projectId: string, action: "list" | "create" | "delete"): Refusal;
  missingParent(path: string): Refusal;
  missingFolderId(id: string): Refusal;
}
