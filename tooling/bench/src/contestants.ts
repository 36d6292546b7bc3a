import { createInfisicalClient } from "@repo/infisical";
import postgres from "postgres";
import type { Deployment } from "./deployment.ts";
import { inLanes } from "./measuring.ts";
import { subdomainOf, valueOf, type Population } from "./population.ts";
import { readSpot, spotOf, type Spot } from "./scatter.ts";
import { meet, serve } from "./serving.ts";
import { openSampleStore } from "./strategy-b-sample.ts";

/** The ways of reading one and the same secrets. */
export const contestants = {
  folders: "A: an Infisical folder for each company, one GET a read",
  sample: "B: the strategy's sample code, master key fetched at every call",
  sampleKept: "B: the sample code with a cached key and a prepared statement",
  cold: "ours, cold",
  warm: "ours, warm",
};
export type Contestant = keyof typeof contestants;

export interface Contest {
  /** Whether everything is in the process's memory, so that reading it again is the same. */
  readonly isCached: boolean;
  /** Reads one secret. @throws {Error} when it is not the value that was put there */
  read(spot: Spot): Promise<void>;
  /** Writes what reads have left to be written in the audit log. */
  record(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Puts the secrets of a population everywhere else that they are read from.
 *
 * @param lanes how many reads there are at once
 */
export async function openContestants(deployment: Deployment, population: Population, lanes: number) {
  const spots = Array.from({ length: population.companies * population.secretsOfEach }, (_, i) =>
    spotOf(i, population),
  );
  await inLanes(8, spots.length, (i) => {
    const { company, secretKey } = spotOf(i, population);
    return deployment.client.putSecret(folderOf(company), secretKey, textOf({ company, secretKey }));
  });
  const idOf = await companyIds(deployment);
  const { infisical } = deployment;
  const reader = createInfisicalClient({ ...infisical, environment: "dev", maxConcurrency: lanes });
  const sample = await openSampleStore(
    deployment,
    reader,
    spots.map((spot) => ({ companyId: idOf(spot.company), secretKey: spot.secretKey, value: textOf(spot) })),
  );

  const ours = async (isWarm: boolean): Promise<Contest> => {
    const serving = await serve(deployment);
    await meet(serving, population.companies);
    const read = (spot: Spot) => readSpot(serving, spot);
    if (isWarm) for (const spot of spots) await read(spot);
    return { isCached: isWarm, read, record: () => serving.secrets.flush(), stop: () => serving.stop() };
  };
  const open: Readonly<Record<Contestant, () => Promise<Contest>>> = {
    folders: theirs(async ({ company, secretKey }) => {
      const secret = await reader.findSecret(folderOf(company), secretKey);
      return secret?.value;
    }),
    sample: theirs(({ company, secretKey }) => sample.asWritten(idOf(company), secretKey)),
    sampleKept: theirs(({ company, secretKey }) => sample.asWellAsCanBe(idOf(company), secretKey)),
    cold: () => ours(false),
    warm: () => ours(true),
  };
  return { open, stop: () => sample.stop() };
}

const nothing = () => Promise.resolve();

function theirs(find: (spot: Spot) => Promise<string | undefined>): () => Promise<Contest> {
  const read = async (spot: Spot): Promise<void> => {
    if ((await find(spot)) !== textOf(spot)) throw new Error("A read answered with another value.");
  };
  return () => Promise.resolve({ isCached: false, read, record: nothing, stop: nothing });
}

const folderOf = (company: number): string => `/tenants/${subdomainOf(company)}`;
const textOf = ({ company, secretKey }: Spot): string => valueOf(subdomainOf(company), secretKey);

async function companyIds({ superuserUrl }: Deployment): Promise<(company: number) => string> {
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} });
  const found = await sql<{ id: string; subdomain: string }[]>`select id, subdomain from companies`;
  await sql.end();
  const ids = new Map(found.map(({ id, subdomain }) => [subdomain, id]));
  return (company) => ids.get(subdomainOf(company)) ?? "";
}
