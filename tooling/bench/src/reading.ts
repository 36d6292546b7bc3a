import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Deployment } from "./deployment.ts";
import type { Population } from "./population.ts";

const Sample = z.object({ at: z.number(), ms: z.number() });

/** One read: when it began, by the wall clock, and how long it took. */
type Sample = Readonly<z.infer<typeof Sample>>;

/** Another process, which reads at a steady pace until it is stopped. */
export async function startReader(
  { urls, superuserUrl, infisical }: Deployment,
  population: Pick<Population, "companies" | "secretsOfEach">,
): Promise<{ stop(): Promise<readonly Sample[]> }> {
  const child = fork(fileURLToPath(new URL("./reader.ts", import.meta.url)), { serialization: "json" });
  const samples: Sample[] = [];
  child.send({ place: { urls, superuserUrl, infisical }, population });
  // The first word is that it reads; the second, at the end, is what it measured.
  await once(child, "message");
  child.on("message", (batch) => samples.push(...z.array(Sample).parse(batch)));
  return {
    stop: async () => {
      child.send("stop");
      await once(child, "exit");
      return samples;
    },
  };
}
