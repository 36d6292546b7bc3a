/** A permission of a machine identity, in the words of a project role of Infisical. */
export interface InfisicalRight {
  readonly action: "list" | "read" | "create" | "edit" | "delete";
  readonly on: "secrets" | "folders" | "imports";
  /** Such as "in /hono-api" or "below /tenants": never the name of a company's folder. */
  readonly place: string;
}

type RightIn = (path: string) => InfisicalRight;

const right =
  (action: InfisicalRight["action"], on: InfisicalRight["on"]): RightIn =>
  (path) => ({ action, on, place: placeOf(path) });

/** What each kind of request needs; of a folder that is made or deleted, in the folder above it. */
export const rightTo = {
  list: right("list", "secrets"),
  read: right("read", "secrets"),
  create: right("create", "secrets"),
  edit: right("edit", "secrets"),
  delete: right("delete", "secrets"),
  createFolder: right("create", "folders"),
  deleteFolder: right("delete", "folders"),
  listImports: right("list", "imports"),
} as const;

/** As a sentence says it: "create secrets below /tenants". */
export function nameOfRight({ action, on, place }: InfisicalRight): string {
  return action === "read" ? `read the values of ${on} ${place}` : `${action} ${on} ${place}`;
}

function placeOf(path: string): string {
  const [first = "", ...deeper] = path.split("/").slice(1);
  return deeper.length === 0 ? `in /${first}` : `below /${first}`;
}
