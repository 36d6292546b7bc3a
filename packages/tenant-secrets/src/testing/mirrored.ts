import type { CompanyStore } from "@repo/catalog";
import type { Assembly } from "../assembly/assembly.ts";
import type { deliveryChatCatalog } from "@repo/delivery-chat";
import { operator, product, type Fixture } from "./fixture.ts";
import { createMigrator, toDatabase, toHybrid } from "./migrating.ts";

type Secrets = Assembly<typeof deliveryChatCatalog>;

/** A company with a mirror, in a process whose mirrors have no limit of requests. */
export interface Mirrored {
  readonly subdomain: string;
  readonly id: string;
  readonly path: string;
  readonly handle: ReturnType<Secrets["company"]>;
  /** One pass, as its job would make it. */
  readonly mirror: () => ReturnType<Secrets["mirroring"]["mirror"]>;
  readonly status: () => Promise<CompanyStore>;
}

export function createMirrors(fixture: Fixture) {
  const secrets = fixture.another({ mirrorRequestsPerMinute: null });
  const migrator = createMigrator({ secrets });
  const { signal } = new AbortController();
  const describe = async (subdomain: string): Promise<Mirrored> => {
    const { id } = await secrets.companies.get(operator, subdomain);
    return {
      subdomain,
      id,
      path: `/tenants/${subdomain}`,
      handle: secrets.company(subdomain, product),
      mirror: () => secrets.mirroring.mirror(id, signal),
      status: async () => {
        const [found] = await secrets.migrations.status(operator, { company: subdomain, limit: 1 });
        if (found === undefined) throw new Error("the company exists");
        return found;
      },
    };
  };
  /** Of a company that came from its folder, with secrets of these names, whose first pass is made. */
  const mirrored = async (
    names: readonly string[],
    store: "hybrid" | "database" = "database",
  ): Promise<Mirrored> => {
    const subdomain = await fixture.company("infisical");
    for (const name of names)
      await fixture.infisical.putSecret(`/tenants/${subdomain}`, name, `fake-${name}-0001`);
    const { companies } = await migrator.migrate([subdomain], store === "hybrid" ? toHybrid : toDatabase);
    if (companies[0]?.state !== "done") throw new Error("the company was switched");
    await secrets.mirroring.set(operator, { companies: [subdomain], isOn: true });
    const company = await describe(subdomain);
    await company.mirror();
    return company;
  };
  return { secrets, migrator, mirrored, describe };
}
