import type { Finding } from "@repo/catalog";
import type { Company } from "../companies/companies.ts";
import { type BulkFolders, pathOf } from "./bulk-folders.ts";

/** The folders in /tenants, read once for a whole migration. */
export interface FolderTree {
  /** What is to be said of a company's folder. */
  findingsOf(company: Company): readonly Finding[];
  /** The names of folders in /tenants that belong to none of these companies. */
  without(folders: ReadonlySet<string>): readonly string[];
}

export async function readFolderTree(folders: Pick<BulkFolders, "all">): Promise<FolderTree> {
  const byPath = Map.groupBy(await folders.all(), ({ path }) => path);
  const paths = [...byPath.keys()];
  return {
    findingsOf: (company) => {
      const path = pathOf(company);
      const twins = byPath.get(path)?.length ?? 0;
      const below = paths.filter((each) => each.startsWith(`${path}/`)).length;
      if (twins === 0) return [{ code: "COMPANY_WITHOUT_FOLDER" }];
      return [
        ...(twins > 1 ? [{ code: "TWIN_FOLDER", detail: String(twins) } as const] : []),
        ...(below > 0 ? [{ code: "SUBFOLDER", detail: String(below) } as const] : []),
      ];
    },
    without: (known) =>
      paths
        .map((path) => path.split("/"))
        .filter(([, , name = "", ...deeper]) => deeper.length === 0 && !known.has(name))
        .map(([, , name = ""]) => name)
        .filter((name) => !name.startsWith("_"))
        .toSorted(),
  };
}
