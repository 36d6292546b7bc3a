import type { Generation, SecretAction } from "./generation.ts";
import { badRequest, internalError, notFound, Refusal } from "./refusal.ts";

const labels: Readonly<Record<SecretAction, string>> = {
  get: "Create secret",
  create: "Create secret",
  update: "UpdateSecret",
  delete: "Delete secret",
  createMany: "Create secret",
  updateMany: "Update secret",
  deleteMany: "Delete secret",
};

const secret = [
  "id",
  "_id",
  "workspace",
  "environment",
  "version",
  "type",
  "secretKey",
  "secretValue",
  "secretComment",
  "secretReminderNote",
  "secretReminderRepeatDays",
  "skipMultilineEncoding",
  "metadata",
  "createdAt",
  "updatedAt",
];
const folder = ["id", "name", "version", "createdAt", "updatedAt", "envId", "parentId", "isReserved"];

/** A server of October 2024, as `recorded-exchanges.jsonl` shows one; a few texts that were not recorded are guesses in its manner. */
export const older: Generation = {
  secretFields: {
    created: secret,
    changed: secret,
    read: [...secret, "tags"],
    listed: [...secret, "secretPath", "tags"],
  },
  folderFields: {
    made: folder,
    listed: folder,
    deleted: folder,
    read: [...folder, "path", "environment", "projectId"],
  },
  listNowhere({ hasEnvironment }, isRecursive) {
    if (!isRecursive) return { secrets: [], imports: [] };
    if (!hasEnvironment) throw internalError();
    return { secrets: [] };
  },
  hasImportsAlways: false,
  writesAtOnce: false,
  checksRightsFirst: true,
  folderSubject: "secrets",
  nameOfAction: (action) => (/^(?:create|edit|delete)$/.test(action) ? action : "read"),
  tokensExpire: "in-memory",
  locksAfterFailedLogIns: false,
  hasRequestIds: false,
  honoursVersion: false,
  honoursViewSecretValue: false,
  checksReferences: false,
  updatesWithoutValue: false,
  listsFoldersRecursively: false,
  sortsFolders: false,
  checksNames: false,
  hasNewerRoutes: false,
  refusals: {
    invalid: (violations) => new Refusal(401, "ValidationFailure", violations),
    // Its limiter's error goes through the catch-all; what remains is the header.
    rateLimited: () => internalError(),
    unknownClient: () => notFound("No identity with specified client ID was found"),
    unknownProject: (_, on) =>
      on === "folders"
        ? notMember()
        : notFound("Project not found during bot lookup. Are you sure you are using the correct project ID?"),
    notMember,
    missingScope: () => badRequest("Missing workspace id or environment"),
    badPath: () => internalError("Find by secret path"),
    missingFolder: (_, action) =>
      notFound("Folder not found for the given environment slug & secret path", labels[action]),
    missingSecret: () => notFound("Secret not found"),
    nameTaken: () => badRequest("Secret with the new name already exist"),
    missingEnvironment: (_slug, _projectId, action) =>
      notFound("Environment not found", `${action === "list" ? "Get" : capitalized(action)} folder`),
    missingParent: () => notFound("Folder not found", "Delete folder"),
    missingFolderId: () => notFound("Folder not found", "Delete folder"),
  },
};

function notMember(): Refusal {
  const label = "Identity is not a member of the specified project";
  return new Refusal(403, label, "You are not allowed to access this resource");
}

const capitalized = (word: string) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
