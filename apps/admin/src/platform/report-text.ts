/** Something that did not open in a rotation. */
export interface Damage {
  /** As the report has it. */
  readonly line: string;
  /** The id of the company that it is of. */
  readonly company: string | undefined;
  readonly what: string;
  readonly todo: string;
}

interface Report {
  readonly rotation: string;
  readonly fromVersion: number;
  readonly toVersion: number;
  readonly finishedAt: Date;
  readonly companiesOpened: number;
  /** The SHA-256 of the backup of the keys. */
  readonly backup: string | undefined;
  readonly damage: readonly Damage[];
}

/**
 * What a page shows of a rotation's report (docs/key-rotation.md).
 *
 * @returns undefined for a text that is none
 */
export function readReport(text: string): Report | undefined {
  const content: unknown = JSON.parse(text);
  const [rotation, finishedAt] = [textIn(content, "rotation"), textIn(content, "finishedAt")];
  const [from, to] = [numberIn(content, "fromVersion"), numberIn(content, "toVersion")];
  const companiesOpened = numberIn(content, "companiesOpened");
  if (rotation === undefined || finishedAt === undefined) return undefined;
  if (from === undefined || to === undefined || companiesOpened === undefined) return undefined;
  const undecryptable = fieldIn(content, "undecryptable");
  const backup = textIn(content, "backup");
  return {
    rotation: rotation.replaceAll(/[^a-z0-9-]/g, ""),
    fromVersion: from,
    toVersion: to,
    finishedAt: new Date(finishedAt),
    companiesOpened,
    backup: backup?.replace(/^sha256:/, ""),
    damage: [
      ...textsIn(undecryptable, "keys").map((line) => damageOf(line, lostKey)),
      ...textsIn(undecryptable, "values").map((line) => damageOf(line, lostValue)),
    ],
  };
}

const lostKey =
  "put its row of company_key_wraps back from a backup of the database, or shred the company; then rotate again, which retires the old key too.";
const lostValue = "write the value again. No master key helps.";

/** Lines are such as "company-key ID 1" and "value ID STRIPE_SECRET_KEY version 2". */
function damageOf(line: string, todo: string): Damage {
  const [kind = "", company, ...rest] = line.split(" ");
  const isOfCompany = /^[0-9a-f-]{36}$/.test(company ?? "");
  if (!isOfCompany) return { line, company: undefined, what: line, todo };
  const what = kind === "value" ? rest.join(", ") : `Key ${rest.join(" ")}`;
  return { line, company, what, todo };
}

function fieldIn(content: unknown, name: string): unknown {
  return typeof content === "object" && content !== null ? Reflect.get(content, name) : undefined;
}

function textIn(content: unknown, name: string): string | undefined {
  const value = fieldIn(content, name);
  return typeof value === "string" ? value : undefined;
}

function numberIn(content: unknown, name: string): number | undefined {
  const value = fieldIn(content, name);
  return typeof value === "number" ? value : undefined;
}

function textsIn(content: unknown, name: string): readonly string[] {
  const value = fieldIn(content, name);
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
