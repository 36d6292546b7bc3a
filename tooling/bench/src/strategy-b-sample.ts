import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { and, eq } from "drizzle-orm";
import { pgTable, text, timestamp, unique, uuid, varchar } from "drizzle-orm/pg-core";
import { drizzle } from "drizzle-orm/postgres-js";
import type { InfisicalClient } from "@repo/infisical";
import postgres from "postgres";
import type { Place } from "./deployment.ts";

// A baseline, not part of the product: strategy B as in the sample code of the strategy's document, which fetches the
// master key from Infisical at every call; and the same code with a cached key.

const companySecrets = pgTable(
  "sample_company_secrets",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    companyId: uuid("company_id").notNull(),
    secretKey: varchar("secret_key", { length: 255 }).notNull(),
    secretValueEncrypted: text("secret_value_encrypted").notNull(),
    createdAt: timestamp("created_at").defaultNow().notNull(),
    updatedAt: timestamp("updated_at").defaultNow().notNull(),
  },
  (t) => [unique().on(t.companyId, t.secretKey)],
);

const table = `create table sample_company_secrets (
  id uuid primary key default gen_random_uuid(), company_id uuid not null references companies (id) on delete cascade,
  secret_key varchar(255) not null, secret_value_encrypted text not null,
  created_at timestamp not null default now(), updated_at timestamp not null default now(), unique (company_id, secret_key))`;

const [folder, keyName] = ["/sample", "MASTER_ENCRYPTION_KEY"];

export interface SampleSecret {
  readonly companyId: string;
  readonly secretKey: string;
  readonly value: string;
}

type ReadSample = (companyId: string, secretKey: string) => Promise<string | undefined>;

export interface SampleStore {
  readonly asWritten: ReadSample;
  /** The key cached as a KeyObject, and a prepared statement on the driver itself. */
  readonly asWellAsCanBe: ReadSample;
  stop(): Promise<void>;
}

/** A table of the sample's own with these secrets, sealed as the sample seals them. No row-level security, no record. */
export async function openSampleStore(
  { superuserUrl }: Place,
  infisical: InfisicalClient,
  secrets: readonly SampleSecret[],
): Promise<SampleStore> {
  await infisical.putSecret(folder, keyName, randomBytes(32).toString("hex"));
  const masterKey = async (): Promise<Buffer> => {
    const found = await infisical.listSecrets(folder);
    const key = found.find(({ secretKey }) => secretKey === keyName);
    if (key === undefined) throw new Error("There is no master key.");
    return Buffer.from(key.value, "hex");
  };

  const sql = postgres(superuserUrl, { max: 10, onnotice: () => {} });
  const database = drizzle({ client: sql, schema: { companySecrets } });
  await sql.unsafe(table);
  const fillingKey = await masterKey();
  const rows = secrets.map(({ companyId, secretKey, value }) => ({
    companyId,
    secretKey,
    secretValueEncrypted: seal(fillingKey, value),
  }));
  for (let i = 0; i < rows.length; i += 1000) {
    await database.insert(companySecrets).values(rows.slice(i, i + 1000));
  }
  await sql`vacuum analyze sample_company_secrets`;

  const cachedKey = createSecretKey(fillingKey);
  return {
    asWritten: async (companyId, secretKey) => {
      const row = await database.query.companySecrets.findFirst({
        where: and(eq(companySecrets.companyId, companyId), eq(companySecrets.secretKey, secretKey)),
      });
      return row === undefined ? undefined : open(await masterKey(), row.secretValueEncrypted);
    },
    asWellAsCanBe: async (companyId, secretKey) => {
      const [row] = await sql<{ encrypted: string }[]>`select secret_value_encrypted as encrypted
        from sample_company_secrets where company_id = ${companyId} and secret_key = ${secretKey}`;
      return row === undefined ? undefined : open(cachedKey, row.encrypted);
    },
    stop: () => sql.end(),
  };
}

type SampleKey = Parameters<typeof createDecipheriv>[1];

function seal(key: SampleKey, value: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const body = cipher.update(value, "utf8", "hex") + cipher.final("hex");
  return `${iv.toString("hex")}:${body}:${cipher.getAuthTag().toString("hex")}`;
}

function open(key: SampleKey, encrypted: string): string {
  const [iv = "", body = "", tag = ""] = encrypted.split(":");
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(iv, "hex"));
  decipher.setAuthTag(Buffer.from(tag, "hex"));
  return decipher.update(body, "hex", "utf8") + decipher.final("utf8");
}
