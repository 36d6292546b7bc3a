import { findEnvironment, findFolder } from "./place.ts";
import { badRequest } from "./refusal.ts";
import type { StoredFolder, StoredProject, StoredSecret } from "./state.ts";

const reference = /\$\{([A-Za-z0-9\-_.@]+)\}/g;
const maxDepth = 10;

/** Where a value stands, as `${KEY}` means the same folder and `${env.folder.KEY}` any other of the project. */
export interface Standing {
  readonly project: StoredProject;
  readonly folder: StoredFolder;
}

/** Replaces references by what they lead to; one that leads nowhere stays text. */
export function expandReferences(value: string, standing: Standing, depth = 0): string {
  if (depth >= maxDepth) return value;
  return value.replaceAll(reference, (text, inner: string) => {
    const target = follow(inner, standing);
    if ("missing" in target) return text;
    return expandReferences(target.secret.value, { ...standing, folder: target.folder }, depth + 1);
  });
}

/** Refuses a value whose references lead nowhere. */
export function checkReferences(value: string, standing: Standing): void {
  for (const [, inner] of value.matchAll(reference)) {
    const target = follow(inner ?? "", standing);
    if ("missing" in target) throw badRequest(target.missing);
  }
}

type Target = { readonly secret: StoredSecret; readonly folder: StoredFolder } | { readonly missing: string };

function follow(inner: string, { project, folder }: Standing): Target {
  const parts = inner.split(".");
  const name = parts.at(-1) ?? "";
  let home = folder;
  if (parts.length > 1) {
    const [slug = "", ...segments] = parts.slice(0, -1);
    const environment = findEnvironment(project, slug);
    if (environment === undefined) return { missing: `Referenced environment not found. Missing ${slug}` };
    const path = `/${segments.join("/")}`;
    const found = findFolder(environment, path);
    if (found === undefined) return { missing: `Referenced path ${path} doesn't exist` };
    home = found;
  }
  const secret = home.secrets.find((candidate) => candidate.name === name);
  return secret === undefined
    ? { missing: `Referenced secret(s) not found: ${name}` }
    : { secret, folder: home };
}
