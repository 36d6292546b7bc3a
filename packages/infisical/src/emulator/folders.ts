import { z } from "zod";
import {
  checkFolderPath,
  enterProject,
  findEnvironment,
  findFolder,
  pick,
  walkFolders,
  withoutTrailingSlash,
} from "./place.ts";
import type { Visit } from "./place.ts";
import { badRequest } from "./refusal.ts";
import { checkRight } from "./rights.ts";
import { newFolder } from "./state.ts";
import type { StoredEnvironment, StoredFolder } from "./state.ts";

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
/** Of the newer route, which does not delete what holds something unless it is told to. */
export const deleteFolderGentlyBody = deleteFolderBody.extend({ forceDelete: z.boolean().default(false) });

export function listFolders(visit: Visit, query: z.output<typeof listFoldersQuery>) {
  const { generation } = visit;
  const environment = enterEnvironment(visit, query, "list");
  const start = normalize(query.path);
  const parent = findFolder(environment, start);
  if (parent === undefined) return { folders: [] };
  const isAsked = !["false", "0", "", undefined].includes(query.recursive);
  const found =
    isAsked && generation.listsFoldersRecursively
      ? walkFolders(parent, "/").slice(1)
      : parent.folders.map((folder) => ({ folder, path: undefined, parent }));
  const folders = found.map((item) =>
    pick(generation.folderFields.listed, {
      ...folderOnWire(environment, item.folder, item.parent ?? parent),
      relativePath: item.path,
    }),
  );
  const byName = (a: (typeof folders)[0], b: (typeof folders)[0]) =>
    String(a["name"]) < String(b["name"]) ? -1 : 1;
  return { folders: generation.sortsFolders ? folders.toSorted(byName) : folders };
}

/** Makes missing parents; a folder that exists is given back as it is. */
export async function createFolder(visit: Visit, body: z.output<typeof createFolderBody>) {
  const { generation } = visit;
  const environment = enterEnvironment(visit, body, "create");
  const parentPath = normalize(body.path ?? body.directory ?? "/");
  checkRight(visit, "create", { on: "secret-folders", path: parentPath });
  if (generation.checksNames && !/^[A-Za-z0-9_-]+$/.test(body.name)) {
    const message = "Invalid folder name. Only alphanumeric characters, dashes, and underscores are allowed.";
    throw generation.refusals.invalid([{ code: "custom", path: ["name"], message }]);
  }
  const fullPath = `${parentPath === "/" ? "" : parentPath}/${body.name}`;
  checkFolderPath(visit, fullPath);
  const names = [...parentPath.split("/"), body.name].filter((name) => name !== "");
  const known = descend(environment.root, names);
  if (known.length < names.length && visit.pauseBeforeWrite) await visit.pauseBeforeWrite();
  const chain = [environment.root, ...known];
  for (const name of names.slice(known.length)) {
    const made = newFolder(name);
    chain.at(-1)?.folders.push(made);
    chain.push(made);
  }
  const folder = chain.at(-1) ?? environment.root;
  folder.description ??= body.description ?? null;
  return {
    folder: pick(generation.folderFields.made, {
      ...folderOnWire(environment, folder, chain.at(-2)),
      path: fullPath,
    }),
  };
}

/** The folders on the way that are there. */
function descend(root: StoredFolder, names: readonly string[]): StoredFolder[] {
  const found: StoredFolder[] = [];
  let folder = root;
  for (const name of names) {
    const child = folder.folders.find((candidate) => candidate.name === name);
    if (child === undefined) break;
    found.push(child);
    folder = child;
  }
  return found;
}

/** Deletes by id or by name, with everything below. */
export function deleteFolder(
  visit: Visit,
  idOrName: string,
  body: z.output<typeof deleteFolderBody> & { readonly forceDelete?: boolean },
) {
  const { refusals, folderFields } = visit.generation;
  const environment = enterEnvironment(visit, body, "delete");
  const parentPath = normalize(body.path);
  checkRight(visit, "delete", { on: "secret-folders", path: parentPath });
  const parent = findFolder(environment, parentPath);
  if (parent === undefined) throw refusals.missingParent(parentPath);
  const index = parent.folders.findIndex(({ id, name }) => id === idOrName || name === idOrName);
  const folder = parent.folders[index];
  if (folder === undefined) throw refusals.missingFolderId(idOrName);
  if (body.forceDelete === false && folder.secrets.length + folder.folders.length > 0) {
    throw badRequest(
      `Cannot delete folder "${folder.name}" because it contains resources. Use forceDelete=true to delete it forcefully.`,
    );
  }
  parent.folders.splice(index, 1);
  return { folder: pick(folderFields.deleted, folderOnWire(environment, folder, parent)) };
}

export function getFolder({ state, identity, generation }: Visit, id: string) {
  for (const project of state.projects.filter((candidate) => identity.projectIds.includes(candidate.id))) {
    for (const environment of project.environments) {
      const found = walkFolders(environment.root, "/").find(({ folder }) => folder.id === id);
      if (found === undefined) continue;
      return {
        folder: pick(generation.folderFields.read, {
          ...folderOnWire(environment, found.folder, found.parent),
          path: found.path,
          environment: { envId: environment.id, envName: environment.name, envSlug: environment.slug },
          projectId: project.id,
        }),
      };
    }
  }
  throw generation.refusals.missingFolderId(id);
}

function enterEnvironment(
  visit: Visit,
  { workspaceId, environment: slug }: { workspaceId: string; environment: string },
  action: "list" | "create" | "delete",
): StoredEnvironment {
  const environment = findEnvironment(enterProject(visit, { id: workspaceId }, "folders"), slug);
  if (environment !== undefined) return environment;
  throw visit.generation.refusals.missingEnvironment(slug, workspaceId, action);
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
