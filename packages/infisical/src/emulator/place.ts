import { badRequest, notFound, Refusal } from "./refusal.ts";
import type { State, StoredEnvironment, StoredFolder, StoredIdentity, StoredProject } from "./state.ts";

/** A project, if the identity may enter it. */
export function enterProject(
  state: State,
  identity: StoredIdentity,
  wanted: { id?: string; slug?: string },
): StoredProject {
  const project = state.projects.find(({ id, slug }) => id === wanted.id || slug === wanted.slug);
  if (project === undefined) {
    throw notFound(
      `Project with ID '${wanted.id ?? wanted.slug}' not found during bot lookup. Are you sure you are using the correct project ID?`,
    );
  }
  if (!identity.projectIds.includes(project.id)) {
    throw new Refusal(
      403,
      "ProjectMembershipNotFound",
      `You are not a member of this project with ID ${project.id}. Please assign this identity to the project with the appropriate permissions, then try again.`,
    );
  }
  return project;
}

export const findEnvironment = (project: StoredProject, slug: string): StoredEnvironment | undefined =>
  project.environments.find((environment) => environment.slug === slug);

/** Removes one trailing slash, as the server does. */
export const withoutTrailingSlash = (path: string) =>
  path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;

/** Refuses a path with characters that no folder's name has. */
export function checkFolderPath(path: string): void {
  if (/^[A-Za-z0-9_/-]*$/.test(path)) return;
  throw badRequest("Invalid secret path. Only alphanumeric characters, dashes, and underscores are allowed.");
}

/** The folder at an absolute path. A path without its leading slash leads nowhere. */
export function findFolder(environment: StoredEnvironment, path: string): StoredFolder | undefined {
  if (!path.startsWith("/")) return undefined;
  let folder: StoredFolder | undefined = environment.root;
  for (const name of path.split("/").filter((segment) => segment !== "")) {
    folder = folder?.folders.find((child) => child.name === name);
  }
  return folder;
}

/** All folders below, with their paths; the folder itself first. */
export function walkFolders(
  folder: StoredFolder,
  path: string,
): { folder: StoredFolder; path: string; parent?: StoredFolder }[] {
  const below = folder.folders.flatMap((child) =>
    walkFolders(child, `${path === "/" ? "" : path}/${child.name}`).map((item) => ({
      parent: folder,
      ...item,
    })),
  );
  return [{ folder, path }, ...below];
}
