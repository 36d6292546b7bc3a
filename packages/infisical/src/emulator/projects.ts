import { z } from "zod";
import { enterProject, findEnvironment } from "./place.ts";
import type { Visit } from "./place.ts";
import { badRequest } from "./refusal.ts";
import { newEnvironment, newProject } from "./state.ts";
import type { StoredEnvironment } from "./state.ts";

export const createEnvironmentBody = z.object({
  name: z.string().trim().min(1).max(255),
  slug: z.string().regex(/^[a-z0-9-]{1,64}$/),
});
export const createProjectBody = z.object({ projectName: z.string().trim().min(1).max(64) });

export function createEnvironment(
  visit: Visit,
  projectId: string,
  { name, slug }: z.output<typeof createEnvironmentBody>,
) {
  const project = enterProject(visit, { id: projectId });
  if (findEnvironment(project, slug) !== undefined) throw badRequest("Environment with slug already exist");
  const environment = newEnvironment(slug, name);
  project.environments.push(environment);
  return {
    message: "Successfully created new environment",
    workspace: project.id,
    environment: {
      ...environmentOnWire(environment),
      position: project.environments.length,
      projectId: project.id,
    },
  };
}

/** The identity that creates a project may enter it. */
export function createProject(
  { state, identity }: Visit,
  { projectName }: z.output<typeof createProjectBody>,
) {
  const project = newProject(projectName.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-"));
  project.name = projectName;
  state.projects.push(project);
  identity.projectIds.push(project.id);
  const { id, slug, name, environments } = project;
  return {
    project: {
      id,
      _id: id,
      name,
      slug,
      type: "secret-manager",
      environments: environments.map(environmentOnWire),
    },
  };
}

const environmentOnWire = ({ id, slug, name }: StoredEnvironment) => ({ id, slug, name });
