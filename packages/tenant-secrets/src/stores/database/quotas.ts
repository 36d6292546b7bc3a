import { LRUCache } from "lru-cache";
import { sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import { TenantSecretsError } from "@repo/catalog";
import type { Company } from "../../companies/companies.ts";
import type { DatabaseParts } from "./transaction.ts";

/** How much one company may store in the database. A quota that is left out has its default. */
export interface QuotaOptions {
  /** Secrets, removed ones included until they are purged. Default 10,000. */
  readonly secrets?: number | undefined;
  /** Versions of all its secrets together, destroyed ones included: their rows stay. Default 500,000. */
  readonly versions?: number | undefined;
  /** Bytes of sealed values, of all versions together. Default 512 MiB. */
  readonly bytes?: number | undefined;
}

/** What a company has, or what a write adds to it. */
export type Usage = Readonly<Record<keyof QuotaOptions, number>>;

/** The unused part of a company's quotas. */
export interface Room {
  /**
   * Takes the room that a write needs, and returns it where the transaction is lost. Waits for nothing.
   *
   * @throws {TenantSecretsError} NOT_SUPPORTED where there is less
   */
  take(statements: Pick<Statements, "whenLost">, needed: Usage): void;
}

/**
 * Keeps one company from filling the database for all. What a company has is measured at most once a minute, and counted on
 * from there: exactly in one process, while several may together go beyond a quota by what they write within a minute.
 */
export interface Quotas {
  /**
   * For before a transaction, or for one that has entered the company and added nothing yet.
   *
   * @throws {TenantSecretsError} DATABASE_UNAVAILABLE, OVERLOADED
   */
  roomOf(company: Company, statements?: Statements): Promise<Room>;
}

/** What the parts of the database store work with that add something. */
export interface GrowingParts extends DatabaseParts {
  readonly quotas: Quotas;
}

const defaultQuotas: Usage = { secrets: 10_000, versions: 500_000, bytes: 512 * 1024 * 1024 };

const measuredMs = 60_000;
/** A full company is measured again sooner: it may have purged secrets. */
const fullMeasuredMs = 2000;

const { companySecrets, companySecretVersions } = tables;

/** As long as the sealed text of so many bytes of plaintext: nonce, tag and base64url. */
export function encryptedBytes(plaintextBytes: number): number {
  return Math.ceil(((plaintextBytes + 28) * 4) / 3) + 10;
}

export function createQuotas(database: Database, options: QuotaOptions = {}): Quotas {
  const quotas: Usage = {
    secrets: options.secrets ?? defaultQuotas.secrets,
    versions: options.versions ?? defaultQuotas.versions,
    bytes: options.bytes ?? defaultQuotas.bytes,
  };
  const usages = new LRUCache<string, { readonly usage: Promise<CountedUsage>; known?: CountedUsage }>({
    max: 10_000,
  });

  const isOld = (usage: CountedUsage): boolean =>
    performance.now() - usage.measuredAt > (isFull(usage) ? fullMeasuredMs : measuredMs);

  /** One measurement at a time: calls meanwhile add to its result. */
  const usageOf = (company: Company, statements: Statements | undefined): Promise<CountedUsage> => {
    const last = usages.get(company.id);
    if (last !== undefined && !(last.known !== undefined && isOld(last.known))) return last.usage;
    const usage =
      statements === undefined
        ? database.inCompany(company.id, (own) => measure(own, company))
        : measure(statements, company);
    const next: { readonly usage: Promise<CountedUsage>; known?: CountedUsage } = { usage };
    usages.set(company.id, next);
    const settle = async (): Promise<void> => {
      try {
        next.known = await usage;
      } catch {
        usages.delete(company.id);
      }
    };
    void settle();
    return usage;
  };
  const isFull = (usage: Usage): boolean => kinds.some((kind) => usage[kind] >= quotas[kind]);

  return {
    roomOf: async (company, inside) => {
      const usage = await usageOf(company, inside);
      return {
        take: (statements, needed) => {
          for (const kind of kinds) {
            if (needed[kind] > 0 && usage[kind] + needed[kind] > quotas[kind]) throw full(kind, quotas[kind]);
          }
          add(usage, needed, 1);
          statements.whenLost(() => add(usage, needed, -1));
        },
      };
    },
  };
}

type CountedUsage = Record<keyof QuotaOptions, number> & { readonly measuredAt: number };

const kinds = ["secrets", "versions", "bytes"] as const satisfies readonly (keyof QuotaOptions)[];

function add(usage: CountedUsage, more: Usage, sign: 1 | -1): void {
  for (const kind of kinds) usage[kind] += sign * more[kind];
}

const Measured = z.tuple([z.object({ secrets: z.number(), versions: z.number(), bytes: z.number() })]);

async function measure(statements: Statements, { id }: Company): Promise<CountedUsage> {
  const measuredAt = performance.now();
  const rows = await statements.execute(sql`
    select heads.n::float8 as secrets, versions.n::float8 as versions, (heads.bytes + versions.bytes)::float8 as bytes
    from (select count(*) filter (where purged_at is null) as n,
        coalesce(sum(octet_length(secret_value_encrypted)), 0) as bytes
      from ${companySecrets} where company_id = ${id}) heads,
      (select count(*) as n, coalesce(sum(octet_length(value_encrypted)), 0) as bytes
      from ${companySecretVersions} where company_id = ${id}) versions`);
  return { ...Measured.parse([...rows])[0], measuredAt };
}

const rules = {
  secrets: "secrets; purge removed ones that are not needed",
  versions: "versions of its secrets",
  bytes: "bytes of sealed values; purge what is not needed",
} as const satisfies Record<keyof QuotaOptions, string>;

function full(kind: keyof QuotaOptions, quota: number): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    `Nothing was written: a company may have ${quota} ${rules[kind]}, or ask an operator for a larger quota.`,
  );
}
