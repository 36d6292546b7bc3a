import type { Generation, SecretAction } from "./generation.ts";
import { badRequest, notFound, Refusal, unauthorized } from "./refusal.ts";

const labels: Readonly<Record<SecretAction, string>> = {
  get: "GetSecretByName",
  create: "CreateSecret",
  update: "UpdateSecret",
  delete: "DeleteSecret",
  createMany: "CreateManySecret",
  updateMany: "UpdateManySecret",
  deleteMany: "DeleteManySecret",
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
  "createdAt",
  "updatedAt",
  "isRotatedSecret",
  "rotationId",
];
const changed = [...secret, "secretValueHidden"];
const read = [...changed, "secretPath", "tags", "secretMetadata"];
const folder = [
  "id",
  "name",
  "version",
  "createdAt",
  "updatedAt",
  "envId",
  "parentId",
  "isReserved",
  "description",
  "lastSecretModified",
];

/** A server of 2025. */
export const current: Generation = {
  secretFields: { created: secret, changed, read, listed: read },
  folderFields: {
    made: [...folder, "path"],
    listed: [...folder, "relativePath"],
    deleted: folder,
    read: [...folder, "path", "environment", "projectId"],
  },
  listNowhere({ path, environment }) {
    throw notFound(
      `Folder with path '${path}' in environment '${environment}' was not found. Please ensure the environment slug and secret path is correct.`,
      "SecretPathNotFound",
    );
  },
  hasImportsAlways: true,
  writesAtOnce: true,
  checksRightsFirst: false,
  folderSubject: "secret-folders",
  nameOfAction: (action) => action,
  tokensExpire: "by-date",
  locksAfterFailedLogIns: true,
  hasRequestIds: true,
  honoursVersion: true,
  honoursViewSecretValue: true,
  checksReferences: true,
  updatesWithoutValue: true,
  listsFoldersRecursively: true,
  sortsFolders: true,
  checksNames: true,
  hasNewerRoutes: true,
  refusals: {
    invalid: (violations) => new Refusal(422, "ValidationFailure", violations),
    rateLimited: (text) => new Refusal(429, "RateLimitExceeded", text),
    unknownClient: () => unauthorized("Invalid credentials"),
    unknownProject: (id, on) =>
      notFound(
        on === "folders"
          ? `Project with ${id} not found`
          : `Project with ID '${id}' not found during bot lookup. Are you sure you are using the correct project ID?`,
      ),
    notMember: (projectId) =>
      new Refusal(
        403,
        "ProjectMembershipNotFound",
        `You are not a member of this project with ID ${projectId}. Please assign this identity to the project with the appropriate permissions, then try again.`,
      ),
    missingScope: () => badRequest("Missing project id or environment"),
    badPath: () =>
      badRequest("Invalid secret path. Only alphanumeric characters, dashes, and underscores are allowed."),
    missingFolder: ({ path, environment }, action) =>
      notFound(
        `Folder with path '${path}' in environment with slug '${environment}' not found`,
        labels[action],
      ),
    missingSecret(name, action) {
      if (action === "delete") return notFound("Secret not found");
      return notFound(`Secret with name ${action === "get" ? `'${name}'` : name} not found`);
    },
    nameTaken: () => badRequest("Secret with the new name already exists"),
    missingEnvironment: (slug, projectId) =>
      notFound(`Environment with slug '${slug}' in project with ID '${projectId}' not found`),
    missingParent: (path) => notFound(`Folder with path '${path}' not found`),
    missingFolderId: (id) => notFound(`Folder with ID '${id}' not found`),
  },
};
