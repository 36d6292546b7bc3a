import type { InfisicalSecret } from "./answers.ts";
import type { Connection } from "./connection.ts";
import { InfisicalError } from "./errors.ts";
import { checkName, checkPath, checkValue, splitPath } from "./input.ts";
import { rightTo } from "./rights.ts";
import type { NewValue, Put } from "./secrets.ts";
import { createSharedReads } from "./shared-reads.ts";

/** Calls about one secret or one folder. */
export interface SingleCalls {
  /** Makes the folder and its missing parents; nothing happens to those that exist. */
  createFolder(path: string): Promise<void>;
  /** Deletes the folder with everything below it; nothing happens if it is missing. */
  deleteFolder(path: string): Promise<void>;
  /** One secret, or undefined when it or its folder is missing. References are not expanded. */
  findSecret(path: string, name: string): Promise<InfisicalSecret | undefined>;
  /**
   * Creates or replaces a secret, and its folder if that is missing. `AMBIGUOUS` when it is not known whether the
   * write was applied. Values must pass `survivesInfisical`.
   */
  putSecret(path: string, name: string, value: string): Promise<Put>;
  /**
   * Like `putSecret`. After a creation it looks for a secret of the same name that another client created at the same time, and
   * leaves none but this one.
   */
  putSoleSecret(path: string, name: string, value: string): Promise<Put>;
  /** Deletes a secret. False when there was none; true also when it is gone after an attempt without an answer. */
  deleteSecret(path: string, name: string): Promise<boolean>;
}

export function createSingleCalls({ call, folders, secrets }: Connection): SingleCalls {
  const reads = createSharedReads<InfisicalSecret | undefined>();
  const put = (path: string, secret: NewValue) =>
    call("putSecret", {
      check: () => {
        checkSecret(path, secret.name);
        checkValue(secret.value);
      },
      work: (deadline) => secrets.put(deadline, path, secret),
      rightsShownBy: ({ created }) => [created ? rightTo.create(path) : rightTo.edit(path)],
    });
  return {
    async createFolder(path) {
      // The root always exists. Nothing is sent, so that this is no sign of life of the server.
      if (path === "/") return;
      await call("createFolder", {
        check: () => checkPath(path),
        work: (deadline) => folders.create(deadline, path),
        rightsShownBy: () => [rightTo.createFolder(splitPath(path).parent)],
      });
    },
    deleteFolder: (path) =>
      call("deleteFolder", {
        check: () => checkDeletable(path),
        work: (deadline) => folders.remove(deadline, path),
      }),
    findSecret: (path, name) =>
      call("findSecret", {
        check: () => checkSecret(path, name),
        work: (deadline) => reads(`${path} ${name}`, deadline, (until) => secrets.find(until, path, name)),
        // A newer server says that there is none before it checks rights; so with writes.
        rightsShownBy: (found) => (found === undefined ? [] : [rightTo.read(path)]),
      }),
    putSecret: (path, name, value) => put(path, { name, value, replacesTwins: false }),
    putSoleSecret: (path, name, value) => put(path, { name, value, replacesTwins: true }),
    deleteSecret: (path, name) =>
      call("deleteSecret", {
        check: () => checkSecret(path, name),
        work: (deadline) => secrets.remove(deadline, path, name),
        rightsShownBy: (isDeleted) => (isDeleted ? [rightTo.delete(path)] : []),
      }),
  };
}

function checkDeletable(path: string): void {
  checkPath(path);
  if (path === "/")
    throw new InfisicalError("INVALID_INPUT", { sentence: "the root folder cannot be deleted" });
}

function checkSecret(path: string, name: string): void {
  checkPath(path);
  checkName(name);
}
