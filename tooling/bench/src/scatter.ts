import { primingKey, secretKeyOf, subdomainOf, valueOf, type Population } from "./population.ts";
import { product, type Serving } from "./serving.ts";
import type { BareSelect } from "./bare-select.ts";

/** One secret of a population. */
export interface Spot {
  readonly company: number;
  readonly secretKey: ReturnType<typeof secretKeyOf>;
}

/** A prime above every population, so that its multiples meet each secret once before they meet one twice. */
const stride = 15_485_863;

/** The i-th secret in an order that is the same in every run and follows neither companies nor the table. */
export function spotOf(i: number, { companies, secretsOfEach }: Population): Spot {
  const at = (i * stride) % (companies * secretsOfEach);
  return { company: Math.floor(at / secretsOfEach), secretKey: secretKeyOf(at % secretsOfEach) };
}

/** @throws {Error} when it is not the value that was put there */
export async function readSpot({ secrets }: Serving, { company, secretKey }: Spot): Promise<void> {
  const subdomain = subdomainOf(company);
  const value = await secrets.company(subdomain, product).get(secretKey);
  if (value !== valueOf(subdomain, secretKey)) throw new Error("A read answered with another value.");
}

/** @throws {Error} when there is no row */
export async function selectSpot(select: BareSelect, { company, secretKey }: Spot): Promise<void> {
  if ((await select.sealed(company, secretKey)) === undefined) throw new Error("A row is not there.");
}

/** The very first read of a company in a process: its row, its key and the value. */
export function readFirst({ secrets }: Serving, company: number): Promise<string> {
  return secrets.company(subdomainOf(company), product).get(primingKey);
}
