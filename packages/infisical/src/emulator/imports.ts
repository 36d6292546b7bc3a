import { randomUUID } from "node:crypto";
import { z } from "zod";
import { enterProject, findEnvironment, findFolder, withoutTrailingSlash } from "./place.ts";
import type { Visit } from "./place.ts";
import { badRequest, notFound } from "./refusal.ts";
import { checkRight } from "./rights.ts";
import type { StoredEnvironment, StoredFolder, StoredImport, StoredProject, StoredSecret } from "./state.ts";

const path = z.string().trim().default("/").transform(withoutTrailingSlash);
const place = { workspaceId: z.string().trim(), environment: z.string().trim(), path };
export const listImportsQuery = z.object(place);
export const createImportBody = z.object({
  ...place,
  import: z.object({
    environment: z.string().trim(),
    path: z.string().trim().transform(withoutTrailingSlash),
  }),
});
export const deleteImportBody = z.object(place);

const maxDepth = 10;

export function listImports(visit: Visit, query: z.output<typeof listImportsQuery>) {
  checkRight(visit, "read", { on: "secret-imports", path: query.path });
  const { project, environment, folder } = enter(visit, query);
  const secretImports = folder.imports.map((item) =>
    onWire(project, { environment, folder, path: query.path }, item),
  );
  return { message: "Successfully fetched secret imports", secretImports };
}

/** The last import goes before those before it. */
export function createImport(visit: Visit, body: z.output<typeof createImportBody>) {
  checkRight(visit, "create", { on: "secret-imports", path: body.path });
  const { project, environment, folder } = enter(visit, body);
  const isAlike = (item: StoredImport) =>
    item.environment === body.import.environment && item.path === body.import.path;
  if (findEnvironment(project, body.import.environment) === undefined) {
    throw notFound(`Environment with slug '${body.import.environment}' not found`);
  }
  if (folder.imports.some(isAlike)) throw badRequest("Secret import already exist");
  const made = { id: randomUUID(), ...body.import };
  folder.imports.push(made);
  const secretImport = onWire(project, { environment, folder, path: body.path }, made);
  return { message: "Successfully created secret import", secretImport };
}

export function deleteImport(visit: Visit, id: string, body: z.output<typeof deleteImportBody>) {
  checkRight(visit, "delete", { on: "secret-imports", path: body.path });
  const { project, environment, folder } = enter(visit, body);
  const found = folder.imports.find((item) => item.id === id);
  if (found === undefined) throw notFound(`Secret import with ID '${id}' not found`);
  folder.imports = folder.imports.filter((item) => item !== found);
  const secretImport = onWire(project, { environment, folder, path: body.path }, found);
  return { message: "Successfully deleted secret import", secretImport };
}

export interface ImportedFolder {
  readonly environment: string;
  readonly path: string;
  readonly folder: StoredFolder;
}

/** What a folder imports, imports of imports too: the nearest first, as they stand in the answer to a list. */
export function importedFolders(
  project: StoredProject,
  folder: StoredFolder,
  seen: readonly StoredFolder[] = [folder],
): ImportedFolder[] {
  if (seen.length > maxDepth) return [];
  return folder.imports.flatMap(({ environment: slug, path: at }) => {
    const environment = findEnvironment(project, slug);
    const found = environment && findFolder(environment, at);
    if (found === undefined || seen.includes(found)) return [];
    return [
      { environment: slug, path: at, folder: found },
      ...importedFolders(project, found, [...seen, found]),
    ];
  });
}

/** The imported secret that a single read with imports meets. */
export function findImported(
  project: StoredProject,
  folder: StoredFolder,
  name: string,
): { secret: StoredSecret; from: ImportedFolder } | undefined {
  for (const from of importedFolders(project, folder).toReversed()) {
    const secret = from.folder.secrets.find((candidate) => candidate.name === name);
    if (secret !== undefined) return { secret, from };
  }
  return undefined;
}

function enter(visit: Visit, wanted: z.output<typeof listImportsQuery>) {
  const project = enterProject(visit, { id: wanted.workspaceId }, "folders");
  const environment = findEnvironment(project, wanted.environment);
  const folder = environment && findFolder(environment, wanted.path);
  if (environment === undefined || folder === undefined)
    throw visit.generation.refusals.missingParent(wanted.path);
  return { project, environment, folder };
}

function onWire(
  project: StoredProject,
  {
    environment,
    folder,
    path: secretPath,
  }: { environment: StoredEnvironment; folder: StoredFolder; path: string },
  { id, environment: slug, path: importPath }: StoredImport,
) {
  const from = findEnvironment(project, slug);
  return {
    id,
    importPath,
    importEnv: { id: from?.id, name: from?.name, slug },
    position: folder.imports.findIndex((item) => item.id === id) + 1,
    folderId: folder.id,
    environment: environment.slug,
    secretPath,
    isReplication: false,
    isReserved: false,
  };
}
