import type { CompanyMigration, FindingCode, MigrationCompaniesQuery } from "@repo/catalog";
import { print, printJson, remark } from "../output.ts";
import type { MigrationPage } from "./door.ts";
import { companyText, meaningsText } from "./words.ts";

const pageSize = 500;

/** Prints each company once, when its turn is over. */
export interface Results {
  /** Those that have finished since the last call. */
  printFinished(): Promise<void>;
  /** Those that wait as well, then what the findings mean. @returns the last page */
  printRest(): Promise<MigrationPage>;
}

/** @param read a page of the run's companies */
export function createResults(
  read: (query: Omit<MigrationCompaniesQuery, "run">) => Promise<MigrationPage>,
  { json, state }: { readonly json: boolean; readonly state?: CompanyMigration["state"] | undefined },
): Results {
  const printed = new Set<string>();
  const codes = new Set<FindingCode>();
  /** All companies up to this one are printed. */
  let after: string | undefined;

  const printOne = (company: CompanyMigration): void => {
    printed.add(company.company.id);
    for (const { code } of company.result?.findings ?? []) codes.add(code);
    if (!json) return print(companyText(company));
    const { company: named, ...rest } = company;
    printJson({ event: "company", company: named.subdomain, id: named.id, ...rest });
  };

  /** @returns the last page that was read */
  const walk = async (isToPrint: (company: CompanyMigration) => boolean): Promise<MigrationPage> => {
    let from = after;
    let isWhole = true;
    for (;;) {
      const page = await read({ after: from, state, limit: pageSize });
      for (const each of page.companies) {
        const isNew = !printed.has(each.company.id);
        if (isNew && isToPrint(each)) printOne(each);
        isWhole &&= printed.has(each.company.id);
        if (isWhole) after = each.company.id;
      }
      const last = page.companies.at(-1);
      if (page.companies.length < pageSize || last === undefined) return page;
      from = last.company.id;
    }
  };

  return {
    printFinished: async () => {
      await walk((each) => each.state !== "waiting");
    },
    printRest: async () => {
      const page = await walk(() => true);
      if (!json && codes.size > 0) print(`\n${meaningsText(codes)}`);
      if (!json && page.foldersWithoutCompany.length > 0)
        remark(`Folders in /tenants that belong to no company: ${page.foldersWithoutCompany.join(", ")}`);
      return page;
    },
  };
}
