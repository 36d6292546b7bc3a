import { checkDeleted, checkFolder, parseFolders } from "./answers.ts";
import type { InfisicalFolder, Scope } from "./answers.ts";
import type { Turns } from "./concurrency.ts";
import type { Deadline } from "./deadline.ts";
import { believe, bodyOf, settle } from "./exchange.ts";
import type { Exchange } from "./exchange.ts";
import { splitPath } from "./input.ts";
import { meaningOf } from "./outcome.ts";
import { rightTo } from "./rights.ts";

type Place = Omit<Scope, "path">;

export interface Folders {
  list(deadline: Deadline, path: string): Promise<InfisicalFolder[]>;
  create(deadline: Deadline, path: string): Promise<void>;
  remove(deadline: Deadline, path: string): Promise<void>;
}

export function createFolders(exchange: Exchange, place: Place, turns: Turns): Folders {
  const { projectId: workspaceId, environment } = place;

  const list = async (deadline: Deadline, path: string) => {
    const query = new URLSearchParams({ workspaceId, environment, path }).toString();
    const outcome = await exchange.request(
      { deadline, route: "GET folders", path },
      { method: "GET", address: `/api/v1/folders?${query}` },
    );
    if (outcome.kind === "refused" && meaningOf(outcome.refusal) === "MISSING_FOLDER") return [];
    return parseFolders(bodyOf(outcome));
  };

  const named = async (deadline: Deadline, path: string) => {
    const { parent, leaf } = splitPath(path);
    return (await list(deadline, parent)).filter(({ name }) => name === leaf);
  };

  const create = async (deadline: Deadline, path: string) => {
    const { parent, leaf } = splitPath(path);
    const answer = await exchange.request(
      { deadline, route: "POST folders", path },
      {
        method: "POST",
        address: "/api/v1/folders",
        body: { workspaceId, environment, name: leaf, path: parent },
      },
    );
    const outcome = believe(answer, (body) => checkFolder(body, leaf));
    if (outcome.kind !== "unknown") return bodyOf(outcome, rightTo.createFolder(parent));
    await settle(outcome, async () => (await named(deadline, path))[0]);
  };

  const removeById = async (deadline: Deadline, path: string, id: string) => {
    const answer = await exchange.request(
      { deadline, route: "DELETE folder", path },
      {
        method: "DELETE",
        address: `/api/v1/folders/${encodeURIComponent(id)}`,
        body: { workspaceId, environment, path: splitPath(path).parent },
      },
    );
    const outcome = believe(answer, (body) => checkDeleted(body, "folder"));
    if (outcome.kind === "refused" && meaningOf(outcome.refusal) === "MISSING_FOLDER") return;
    if (outcome.kind !== "unknown") return bodyOf(outcome, rightTo.deleteFolder(splitPath(path).parent));
    await settle(outcome, async () => {
      const left = await named(deadline, path);
      return left.some((folder) => folder.id === id) ? undefined : true;
    });
  };

  return {
    list,
    // One at a time: the older server makes two folders of one name out of two creates at once, parents included.
    create: (deadline, path) => turns("folders", deadline, () => create(deadline, path)),
    // Twins of one name exist. Deleting one would leave the path to the other, so all are deleted.
    remove: (deadline, path) =>
      turns("folders", deadline, async () => {
        for (const { id } of await named(deadline, path)) await removeById(deadline, path, id);
      }),
  };
}
