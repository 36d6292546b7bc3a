import postgres from "postgres";
import type { Place } from "./deployment.ts";
import { subdomainOf } from "./population.ts";

/** The row of a secret by its primary key, and nothing else: prepared, and by a role that no policy is checked for. */
export interface BareSelect {
  sealed(company: number, secretKey: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

export async function openBareSelect({ superuserUrl }: Place): Promise<BareSelect> {
  // As many connections as the library has.
  const sql = postgres(superuserUrl, { max: 10, onnotice: () => {} });
  const companies = await sql<{ id: string; subdomain: string }[]>`select id, subdomain from companies`;
  const ids = new Map(companies.map(({ id, subdomain }) => [subdomain, id]));
  return {
    sealed: async (company, secretKey) => {
      const id = ids.get(subdomainOf(company)) ?? "";
      const [row] = await sql<{ encrypted: string }[]>`
        select secret_value_encrypted as encrypted from company_secrets where company_id = ${id} and secret_key = ${secretKey}`;
      return row?.encrypted;
    },
    stop: () => sql.end(),
  };
}
