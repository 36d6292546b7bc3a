import { randomUUID } from "node:crypto";
import { z } from "zod";
import { enterProject } from "./place.ts";
import type { Visit } from "./place.ts";
import { badRequest, notFound } from "./refusal.ts";
import type { StoredProject, StoredSecret, StoredTag } from "./state.ts";

export const createTagBody = z.object({
  slug: z
    .string()
    .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/)
    .max(64),
  color: z.string().trim(),
});

/** Tags are the project's; secrets name them by id. */
export function createTag(visit: Visit, projectId: string, { slug, color }: z.output<typeof createTagBody>) {
  const project = enterProject(visit, { id: projectId });
  if (project.tags.some((tag) => tag.slug === slug)) throw badRequest("Tag already exist");
  const tag = { id: randomUUID(), slug, color };
  project.tags.push(tag);
  return { tag: { ...tag, projectId: project.id } };
}

/** @throws {Refusal} 404 where one of them is missing */
export function findTags({ tags }: StoredProject, ids: readonly string[]): StoredTag[] {
  const found = tags.filter(({ id }) => ids.includes(id));
  if (found.length === new Set(ids).size) return found;
  throw notFound(`Tag not found. Found ${found.map(({ slug }) => slug).join(",")}`);
}

export function tagsOnWire({ tags }: StoredProject, { tagIds }: StoredSecret) {
  return tags
    .filter(({ id }) => tagIds.includes(id))
    .map(({ id, slug, color }) => ({ id, slug, name: slug, color }));
}

/** Whether the secret has one of the tags, whose slugs are joined by commas. */
export function hasTagOf({ tags }: StoredProject, { tagIds }: StoredSecret, slugs: string): boolean {
  const wanted = slugs.split(",");
  return tags.some(({ id, slug }) => tagIds.includes(id) && wanted.includes(slug));
}
