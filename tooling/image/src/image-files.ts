import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readdir, readFile, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../../..");

/** What runs in the image. */
const programs = ["apps/hono-api", "apps/cli"];
const manifest = z.object({
  name: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
});
/** Of a package: everything else is for development. */
const partsOfPackage = ["package.json", "src", "sql", "migrations"];
/** Folders of `src` that no program imports. */
const developmentFolders = new Set(["testing", "embedded", "emulator"]);
/** What the install takes, and the programs do not. */
const installFiles = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "patches"];

/**
 * Makes the files of the image in a folder, to be copied to `/` of a base that has Node: the programs under `/app` as they are in the
 * repository, with their dependencies and without those of development, and the built admin app.
 *
 * The sources stay sources: Node strips types outside of node_modules, where `pnpm deploy` would put the packages of the workspace.
 *
 * @param folder which is not there yet, or is empty
 * @throws {Error} where the folder has something, or the install fails
 */
export async function buildImageFiles(folder: string): Promise<void> {
  if (existsSync(folder) && (await readdir(folder)).length > 0) throw new Error(`${folder} is not empty.`);
  const app = path.join(folder, "app");
  await mkdir(app, { recursive: true });
  const members = await packagesOf(programs);
  for (const member of members)
    for (const part of partsOfPackage) await copyPart(path.join(member, part), app);
  for (const file of installFiles) await copyPart(file, app);
  await install(app, members);
  for (const file of installFiles) await rm(path.join(app, file), { recursive: true });
  await run(process.execPath, [path.join(root, "apps/admin/build.ts")]);
  await copyPart("apps/admin/dist", app);
  await rm(path.join(app, "apps/admin/dist/inputs.json"));
  await makeProductFolder(app);
  await prune(path.join(app, "node_modules"));
  await restrict(folder);
}

/** @returns the folders of these packages and of every package of the workspace that they depend on */
async function packagesOf(given: readonly string[]): Promise<readonly string[]> {
  const groups = ["apps", "packages"];
  const folders = await Promise.all(
    groups.map(async (group) =>
      (await readdir(path.join(root, group))).map((name) => path.join(group, name)),
    ),
  );
  const manifests = new Map<string, { folder: string; needs: readonly string[] }>();
  for (const folder of folders.flat()) {
    const file = path.join(root, folder, "package.json");
    const { name, dependencies } = manifest.parse(JSON.parse(await readFile(file, "utf8")));
    manifests.set(name, { folder, needs: Object.keys(dependencies) });
  }
  const found = new Set(given);
  // A set is walked to its end, what is added meanwhile included.
  for (const folder of found) {
    const needs = [...manifests.values()].find((each) => each.folder === folder)?.needs ?? [];
    for (const need of needs) {
      const member = manifests.get(need);
      if (member !== undefined) found.add(member.folder);
    }
  }
  return [...found];
}

async function copyPart(part: string, app: string): Promise<void> {
  const source = path.join(root, part);
  if (!existsSync(source)) return;
  const isNeeded = (file: string): boolean =>
    !/\.test\.tsx?$/.test(file) && !developmentFolders.has(path.basename(file));
  await cp(source, path.join(app, part), { recursive: true, filter: isNeeded });
}

async function install(app: string, members: readonly string[]): Promise<void> {
  const pnpm = path.join(root, "node_modules/.bin/pnpm");
  const filters = members.flatMap((member) => ["--filter", `./${member}`]);
  const options = ["--prod", "--no-optional", "--frozen-lockfile", "--prefer-offline", "--ignore-scripts"];
  // Links to the files of the store would change these with the modes below.
  const copies = "--package-import-method=copy";
  await run(pnpm, [...filters, "install", ...options, copies], { cwd: app }).catch((error: unknown) => {
    const output = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
    throw new Error(`The dependencies of the image could not be installed:\n${output}`, { cause: error });
  });
}

/** Where a deployment puts the catalogue of its own product: what such a module imports is found from there. */
async function makeProductFolder(app: string): Promise<void> {
  const links = path.join(app, "product/node_modules");
  await mkdir(path.join(links, "@repo"), { recursive: true });
  await symlink("../../../packages/tenant-secrets", path.join(links, "@repo/tenant-secrets"));
  await symlink("../../packages/tenant-secrets/node_modules/zod", path.join(links, "zod"));
}

/** Types, maps and tests of dependencies are for development. So is what the package manager noted. */
async function prune(modules: string): Promise<void> {
  const files = await readdir(modules, { recursive: true, withFileTypes: true });
  for (const file of files) {
    const isFile =
      file.isFile() && /\.(?:d\.[cm]?ts|d\.[cm]?ts\.map|[cm]?js\.map|test\.[cm]?[jt]s)$/.test(file.name);
    const isNote = /^\.(?:modules\.yaml|pnpm-workspace-state.*\.json|bin|package-map\.json)$/.test(file.name);
    // Of the types of libraries: no program loads a compiler.
    const isCompiler = file.name === "typescript" || file.name.startsWith("typescript@");
    if (isFile || isNote || isCompiler)
      await rm(path.join(file.parentPath, file.name), { recursive: true, force: true });
  }
}

/** Everyone may read and only the owner write, whatever the umask of the build was. */
async function restrict(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const own = entries.filter((entry) => !entry.isSymbolicLink());
  await Promise.all(
    own.map((entry) => chmod(path.join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)),
  );
}
