import { type Credentials, demoPeople, haveAllPeople, passwordOf, totpOf } from "./credentials.ts";

/** Who can sign in at `publicUrl`, and with what; nothing where the demo has no people. */
export function peopleBox(publicUrl: string, credentials: Credentials): string {
  if (!haveAllPeople(credentials)) return "";
  const people = Object.entries(demoPeople).map(([person, { email, roles, isOperator }]) => [
    email,
    isOperator === true
      ? "operator"
      : Object.entries(roles)
          .map(([company, role]) => `${role} of ${company}`)
          .join(", "),
    credentials[passwordOf(person)] ?? "",
    credentials[totpOf(person)] ?? "",
  ]);
  const table = columns([["E-MAIL", "ROLE", "PASSWORD", "AUTHENTICATOR APP"], ...people]);
  const lines = [
    `Sign in at ${publicUrl}. The passwords are of this checkout alone.`,
    "",
    ...table,
    "",
    "npm run demo:code pat prints the code that pat's authenticator app shows now; each code counts once.",
    "The audit log of acmecorp begins with the first start: it has no events of earlier days.",
  ];
  const width = Math.max(...lines.map((line) => line.length));
  const edge = "─".repeat(width + 2);
  return [`┌${edge}┐`, ...lines.map((line) => `│ ${line.padEnd(width)} │`), `└${edge}┘`, ""].join("\n");
}

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((text, at) => text.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
