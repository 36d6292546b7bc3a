import type { Generation } from "./generation.ts";
import type { State, StoredEnvironment, StoredFolder, StoredIdentity, StoredProject } from "./state.ts";

/** Who asks, of what, and as which server we answer. */
export interface Visit {
  readonly state: State;
  readonly identity: StoredIdentity;
  readonly generation: Generation;
  /** What passes between looking and writing, on a server where something does. */
  readonly pauseBeforeWrite?: () => Promise<void>;
}

/** A project, if the identity may enter it. */
export function enterProject(
  { state, identity, generation }: Visit,
  wanted: { id?: string; slug?: string },
  on: "secrets" | "folders" = "secrets",
): StoredProject {
  const project = state.projects.find(({ id, slug }) => id === wanted.id || slug === wanted.slug);
  if (project === undefined) throw generation.refusals.unknownProject(wanted.id ?? wanted.slug ?? "", on);
  if (!identity.projectIds.includes(project.id)) throw generation.refusals.notMember(project.id);
  return project;
}

export const findEnvironment = (project: StoredProject, slug: string): StoredEnvironment | undefined =>
  project.environments.find((environment) => environment.slug === slug);

/** Removes one trailing slash, as the server does. */
export const withoutTrailingSlash = (path: string) =>
  path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;

/** Refuses a path with characters that no folder's name has. */
export function checkFolderPath({ generation }: Visit, path: string): void {
  if (!/^[A-Za-z0-9_/-]*$/.test(path)) throw generation.refusals.badPath();
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

/** The fields of an answer that servers of this generation send. */
export const pick = (fields: readonly string[], full: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    fields.filter((field) => full[field] !== undefined).map((field) => [field, full[field]]),
  );
