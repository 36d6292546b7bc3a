import { randomBytes, randomUUID } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { z } from "zod";
import { parseJson } from "../json.ts";

const secret = z.object({
  id: z.string(),
  name: z.string(),
  value: z.string(),
  comment: z.string(),
  metadata: z.array(z.object({ key: z.string(), value: z.string() })),
  skipMultilineEncoding: z.boolean(),
  tagIds: z.array(z.string()).default([]),
  reminderNote: z.string().nullable().default(null),
  reminderRepeatDays: z.number().nullable().default(null),
  version: z.int(),
  createdAt: z.string(),
  updatedAt: z.string(),
  history: z.array(z.object({ version: z.int(), value: z.string() })),
});
const secretImport = z.object({ id: z.string(), environment: z.string(), path: z.string() });
const folder = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
  secrets: z.array(secret),
  /** The last one goes before those before it. */
  imports: z.array(secretImport).default([]),
  get folders() {
    return z.array(folder);
  },
});
const environment = z.object({ id: z.string(), slug: z.string(), name: z.string(), root: folder });
const tag = z.object({ id: z.string(), slug: z.string(), color: z.string() });
const project = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  tags: z.array(tag).default([]),
  environments: z.array(environment),
});
const right = z.object({
  on: z.enum(["secrets", "secret-folders", "secret-imports"]),
  actions: z.array(z.enum(["describeSecret", "readValue", "read", "create", "edit", "delete"])),
  path: z.string(),
});
const identity = z.object({
  id: z.string(),
  clientId: z.string(),
  clientSecret: z.string(),
  projectIds: z.array(z.string()),
  /** Without them, every right. */
  rights: z.array(right).optional(),
  tokenTtlMs: z.number().optional(),
  tokenMaxTtlMs: z.number().optional(),
  tokenUses: z.int().optional(),
});
const state = z.object({
  signingKey: z.string(),
  projects: z.array(project),
  identities: z.array(identity),
  deadTokens: z.array(z.string()),
});

export type StoredSecret = z.output<typeof secret>;
export type StoredFolder = z.output<typeof folder>;
export type StoredEnvironment = z.output<typeof environment>;
export type StoredProject = z.output<typeof project>;
export type StoredTag = z.output<typeof tag>;
export type StoredImport = z.output<typeof secretImport>;
export type StoredRight = z.output<typeof right>;
export type RightSubject = StoredRight["on"];
export type RightAction = StoredRight["actions"][number];
export type StoredIdentity = z.output<typeof identity>;
export type State = z.output<typeof state>;

export interface Credentials {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly projectId: string;
}

export interface Store {
  readonly state: State;
  /** Resolves when everything changed before this call is on disk. Changes made meanwhile share the next write. */
  save(): Promise<void>;
}

/** Opens the file, or starts afresh: two projects, and for each an identity that can reach it and not the other. */
export async function openStore(dataFile: string | undefined, wanted: Partial<Credentials>): Promise<Store> {
  const known = dataFile === undefined ? undefined : await readState(dataFile);
  const opened = known ?? newState(wanted);
  let last = Promise.resolve();
  let queued: Promise<void> | undefined;
  const write = async () => {
    queued = undefined;
    if (dataFile !== undefined) await replaceFile(dataFile, JSON.stringify(opened));
  };
  const save = () => (queued ??= last = last.catch(() => undefined).then(write));
  if (known === undefined) await save();
  return { state: opened, save };
}

export function newFolder(name: string, description: string | null = null): StoredFolder {
  const now = new Date().toISOString();
  return {
    id: randomUUID(),
    name,
    description,
    createdAt: now,
    updatedAt: now,
    secrets: [],
    imports: [],
    folders: [],
  };
}

export function newEnvironment(slug: string, name: string): StoredEnvironment {
  return { id: randomUUID(), slug, name, root: newFolder("root") };
}

export function newProject(name: string, id: string = randomUUID()): StoredProject {
  const environments = [
    newEnvironment("dev", "Development"),
    newEnvironment("staging", "Staging"),
    newEnvironment("prod", "Production"),
  ];
  return { id, slug: `${name}-${randomBytes(2).toString("hex")}`, name, tags: [], environments };
}

export function newIdentity(projectIds: string[]): StoredIdentity {
  const clientSecret = randomBytes(32).toString("hex");
  return { id: randomUUID(), clientId: randomUUID(), clientSecret, projectIds };
}

function newState(wanted: Partial<Credentials>): State {
  const projects = [newProject("main", wanted.projectId), newProject("other")];
  const identities = projects.map(({ id }, index) => {
    const made = newIdentity([id]);
    if (index > 0) return made;
    const { clientId = made.clientId, clientSecret = made.clientSecret } = wanted;
    return { ...made, clientId, clientSecret };
  });
  return { signingKey: randomBytes(32).toString("hex"), projects, identities, deadTokens: [] };
}

async function readState(dataFile: string): Promise<State | undefined> {
  let text: string;
  try {
    text = await readFile(dataFile, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const parsed = state.safeParse(parseJson(text));
  // zod's error would quote what the file holds.
  if (!parsed.success)
    throw new Error("The data file of the local Infisical has an unknown format; move or delete it");
  return parsed.data;
}

async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, path);
}
