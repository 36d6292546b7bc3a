import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { releases } from "@repo/db/testing";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../../../..");

/** The sources of the last release, which can be run. */
export interface LastRelease {
  readonly release: string;
  readonly folder: string;
  remove(): Promise<void>;
}

/**
 * Takes the sources of the last release out of the history. They run with the dependencies of this checkout where all of theirs are
 * among them, and with an install of their own otherwise.
 *
 * @throws {Error} where the history does not have its commit, or the install fails
 */
export async function unpackLastRelease(): Promise<LastRelease> {
  const { commit, schema } = releases[releases.length - 1] ?? releases[0];
  const has = () => run("git", ["cat-file", "-e", commit], { cwd: root });
  // A shallow clone gets this one commit.
  const fetchIt = () => run("git", ["fetch", "--quiet", "--depth=1", "origin", commit], { cwd: root });
  await has()
    .catch(fetchIt)
    .catch(() => {
      throw new Error(
        `This clone does not have the commit of release ${schema.release}: run git fetch --unshallow.`,
      );
    });
  const folder = await mkdtemp(path.join(tmpdir(), "tenant-secrets-release-"));
  const archive = path.join(folder, "release.tar");
  const parts = ["apps", "packages", "tooling", "examples", "patches"];
  const files = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"];
  await run("git", ["archive", "--output", archive, commit, ...parts, ...files], { cwd: root });
  await run("tar", ["-xf", archive, "-C", folder]);
  if (!(await linkDependencies(folder))) await install(folder);
  return {
    release: schema.release,
    folder,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** @returns false, with nothing of it left, where this checkout lacks a dependency of theirs or has another version of it */
async function linkDependencies(folder: string): Promise<boolean> {
  const ofBoth = (file: string) =>
    Promise.all([root, folder].map((each) => readFile(path.join(each, file), "utf8")));
  const [now = "", then = ""] = await ofBoth("pnpm-workspace.yaml");
  const present = new Set(now.split("\n"));
  // The lines of the catalogue and of the patches: a name and its version.
  if (!then.split("\n").every((line) => present.has(line))) return false;
  const members = await workspaceMembers(folder);
  for (const member of members) {
    const { dependencies = {} } = manifestOf(
      await readFile(path.join(folder, member, "package.json"), "utf8"),
    );
    const links = path.join(root, member, "node_modules");
    if (!Object.keys(dependencies).every((name) => existsSync(path.join(links, name)))) return false;
  }
  await symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  for (const member of members) {
    const links = path.join(root, member, "node_modules");
    // The links are relative: those between packages lead to the release's own.
    const filter = (source: string): boolean => !path.basename(source).startsWith(".");
    if (existsSync(links))
      await cp(links, path.join(folder, member, "node_modules"), {
        recursive: true,
        verbatimSymlinks: true,
        filter,
      });
  }
  return true;
}

async function workspaceMembers(folder: string): Promise<string[]> {
  const groups = ["apps", "packages", "tooling", "examples"];
  const members = await Promise.all(
    groups.map(async (group) =>
      (await readdir(path.join(folder, group))).map((name) => path.join(group, name)),
    ),
  );
  return members.flat().filter((member) => existsSync(path.join(folder, member, "package.json")));
}

function manifestOf(text: string): { readonly dependencies?: Readonly<Record<string, string>> } {
  const parsed: unknown = JSON.parse(text);
  // npm's format, in files of this repository's own history.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return parsed as { readonly dependencies?: Readonly<Record<string, string>> };
}

async function install(folder: string): Promise<void> {
  const pnpm = path.join(root, "node_modules/.bin/pnpm");
  const options = ["install", "--frozen-lockfile", "--prefer-offline", "--ignore-scripts", "--silent"];
  await run(pnpm, options, { cwd: folder });
}
