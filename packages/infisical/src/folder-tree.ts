import type { ListedFolder } from "./survey-answers.ts";

/** A folder with its whole path. Folders that share a path are several. */
export interface FolderBelow {
  readonly id: string;
  readonly name: string;
  readonly path: string;
}

// Others, which the older server takes, lead nowhere as a segment of a path, and one with a slash to another folder.
const plainName = /^[A-Za-z0-9_-]+$/;

/**
 * All folders below one: from one list, where the server lists recursively, else from one list for each folder.
 *
 * @param list what is directly in the folder, or everything below it with `relativePath`
 */
export async function walkFolders(
  path: string,
  list: (path: string) => Promise<readonly ListedFolder[]>,
): Promise<FolderBelow[]> {
  const found: FolderBelow[] = [];
  // Grows while it is gone through. Folders of one path are one list.
  const toList = new Set([path]);
  for (const at of toList) {
    for (const { id, name, relativePath } of await list(at)) {
      const below = `${at === "/" ? "" : at}${relativePath ?? `/${name}`}`;
      found.push({ id, name, path: below });
      if (relativePath === undefined && plainName.test(name)) toList.add(below);
    }
  }
  return found.toSorted((a, b) => compare(a.path, b.path) || compare(a.id, b.id));
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));
