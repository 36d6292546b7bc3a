import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";

/** What deploy/Dockerfile says of the last stage: how a container of it runs. */
export interface ImageDefinition {
  readonly environment: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthcheck: readonly string[];
  readonly user: string;
  readonly directory: string;
  /** Names of the base images, the arguments in them filled in. */
  readonly bases: readonly string[];
  readonly text: string;
}

const words = z.array(z.string());

/** @throws {Error} where an instruction is missing, or is not in the form of a JSON list, which starts no shell */
export function readDockerfile(
  file: string = path.resolve(import.meta.dirname, "../../../deploy/Dockerfile"),
): ImageDefinition {
  const text = readFileSync(file, "utf8");
  const lines = text.replaceAll("\\\n", " ").split("\n");
  const argumentsOf = (instruction: string, among = lines): readonly string[] =>
    among
      .filter((line) => line.startsWith(`${instruction} `))
      .map((line) => line.slice(instruction.length + 1));
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith("FROM ")));
  const only = (instruction: string): string => {
    const [found, ...others] = argumentsOf(instruction, last);
    if (found === undefined || others.length > 0)
      throw new Error(`The last stage of ${file} has to have one ${instruction}.`);
    return found;
  };
  const values = new Map(
    argumentsOf("ARG").map((each) => [each.split("=")[0] ?? "", each.split("=")[1] ?? ""]),
  );
  return {
    environment: Object.fromEntries(
      argumentsOf("ENV", last)
        .flatMap((each) => each.split(/\s+/))
        .map((each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]),
    ),
    entrypoint: words.parse(JSON.parse(only("ENTRYPOINT"))),
    command: words.parse(JSON.parse(only("CMD"))),
    healthcheck: words.parse(JSON.parse(only("HEALTHCHECK").replace(/^.*? CMD /, ""))),
    user: only("USER"),
    directory: only("WORKDIR"),
    bases: argumentsOf("FROM").map((each) =>
      each.replace(/ AS .*/, "").replace(/\$\{(\w+)\}/g, (_, name: string) => values.get(name) ?? ""),
    ),
    text,
  };
}
