import { z } from "zod";
import {
  checkFolderPath,
  enterProject,
  findEnvironment,
  findFolder,
  walkFolders,
  withoutTrailingSlash,
} from "./place.ts";
import { notFound, Refusal } from "./refusal.ts";
import { newFolder } from "./state.ts";
import type { State, StoredEnvironment, StoredFolder, StoredIdentity } from "./state.ts";

const place = { workspaceId: z.string().trim(), environment: z.string().trim() };
const path = z.string().trim().default("/");
export const listFoldersQuery = z.object({ ...place, path, recursive: z.string().optional() });
export const createFolderBody = z.object({
  ...place,
  path: path.optional(),
  directory: path.optional(),
  name: z.string().trim(),
  description: z.string().nullish(),
});
export const deleteFolderBody = z.object({ ...place, path });

export function listFolders(
  state: State,
  identity: StoredIdentity,
  query: z.output<typeof listFoldersQuery>,
) {
  const environment = enterEnvironment(state, identity, query);
  const start = normalize(query.path);
  const parent = findFolder(environment, start);
  if (parent === undefined) return { folders: [] };
  const isRecursive = !["false", "0", "", undefined].includes(query.recursive);
  const found = isRecursive
    ? walkFolders(parent, "/").slice(1)
    : parent.folders.map((folder) => ({ folder, path: undefined, parent }));
  return {
    folders: found
      .map((item) => ({
        ...folderOnWire(environment, item.folder, item.parent ?? parent),
        ...(item.path === undefined ? {} : { relativePath: item.path }),
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Makes missing parents; a folder that exists is given back as it is. */
export function createFolder(
  state: State,
  identity: StoredIdentity,
  body: z.output<typeof createFolderBody>,
) {
  const environment = enterEnvironment(state, identity, body);
  if (!/^[A-Za-z0-9_-]+$/.test(body.name)) {
    const message = "Invalid folder name. Only alphanumeric characters, dashes, and underscores are allowed.";
    throw new Refusal(422, "ValidationFailure", [{ code: "custom", path: ["name"], message }]);
  }
  const parentPath = normalize(body.path ?? body.directory ?? "/");
  checkFolderPath(parentPath);
  let parent = environment.root;
  let folder = environment.root;
  for (const name of [...parentPath.split("/").filter((segment) => segment !== ""), body.name]) {
    parent = folder;
    const known = parent.folders.find((child) => child.name === name);
    folder = known ?? newFolder(name);
    if (known === undefined) parent.folders.push(folder);
  }
  folder.description ??= body.description ?? null;
  const fullPath = `${parentPath === "/" ? "" : parentPath}/${body.name}`;
  return { folder: { ...folderOnWire(environment, folder, parent), path: fullPath } };
}

/** Deletes by id or by name, with everything below. */
export function deleteFolder(
  state: State,
  identity: StoredIdentity,
  idOrName: string,
  body: z.output<typeof deleteFolderBody>,
) {
  const environment = enterEnvironment(state, identity, body);
  const parentPath = normalize(body.path);
  const parent = findFolder(environment, parentPath);
  if (parent === undefined) throw notFound(`Folder with path '${parentPath}' not found`);
  const index = parent.folders.findIndex(({ id, name }) => id === idOrName || name === idOrName);
  const folder = parent.folders[index];
  if (folder === undefined) throw notFound(`Folder with ID '${idOrName}' not found`);
  parent.folders.splice(index, 1);
  return { folder: folderOnWire(environment, folder, parent) };
}

export function getFolder(state: State, identity: StoredIdentity, id: string) {
  for (const project of state.projects.filter((candidate) => identity.projectIds.includes(candidate.id))) {
    for (const environment of project.environments) {
      const found = walkFolders(environment.root, "/").find(({ folder }) => folder.id === id);
      if (found === undefined) continue;
      return {
        folder: {
          ...folderOnWire(environment, found.folder, found.parent),
          path: found.path,
          environment: { envId: environment.id, envName: environment.name, envSlug: environment.slug },
          projectId: project.id,
        },
      };
    }
  }
  throw notFound(`Folder with ID '${id}' not found`);
}

function enterEnvironment(
  state: State,
  identity: StoredIdentity,
  { workspaceId, environment: slug }: { workspaceId: string; environment: string },
): StoredEnvironment {
  if (!state.projects.some(({ id }) => id === workspaceId))
    throw notFound(`Project with ${workspaceId} not found`);
  const environment = findEnvironment(enterProject(state, identity, { id: workspaceId }), slug);
  if (environment !== undefined) return environment;
  throw notFound(`Environment with slug '${slug}' in project with ID '${workspaceId}' not found`);
}

/** Folder routes add a missing leading slash; secret routes do not. */
function normalize(given: string): string {
  return withoutTrailingSlash(given.startsWith("/") ? given : `/${given}`);
}

function folderOnWire(
  environment: StoredEnvironment,
  folder: StoredFolder,
  parent: StoredFolder | undefined,
) {
  const { id, name, description, createdAt, updatedAt } = folder;
  return {
    id,
    name,
    version: 1,
    createdAt,
    updatedAt,
    envId: environment.id,
    parentId: parent?.id ?? null,
    isReserved: false,
    description,
    lastSecretModified: null,
  };
}
