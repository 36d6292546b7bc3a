import type { Command, Entry } from "./command.ts";
import { table } from "./output.ts";

const exitCodesHelp = `Exit codes:
  0  done
  1  a server failed, a key of it does not fit, or rows of an import were left alone
  2  the arguments or the environment do not fit, or a question was answered with no
  3  not found, or not visible to this credential
  4  refused: the credential is not valid, or may not do this, or not in this region
  5  conflict: another change was first, or the name is taken
  6  the value or the secret key is not valid
  7  unavailable for now: the same command may succeed later`;

const environmentHelp = `Environment (each also as NAME_FILE, the path of a file that holds it):
  TENANT_SECRETS_API_KEY         for get, set, list, remove, check, import, export, rotation supply and for versions
  TENANT_SECRETS_OPERATOR_TOKEN  for companies, members, users, api-keys, search, keys, rotation, webhooks, approvals, regions and import-legacy
  TENANT_SECRETS_URL             the API to work through, such as https://secrets.example.com.
                                 Without it the work is done in this process, with the server's own
                                 variables: DATABASE_URL, DATABASE_MAINTENANCE_URL, INFISICAL_SITE_URL,
                                 INFISICAL_CLIENT_ID, INFISICAL_CLIENT_SECRET, INFISICAL_PROJECT_ID,
                                 INFISICAL_ENVIRONMENT, MASTER_KEY_REGION ("default" unless set),
                                 OPERATOR_APPROVALS (2 unless set)
  SECRETS_CATALOG                the module with the product's catalogue, a path or a package, for check --all and for
                                 work in this process; Delivery Chat's unless set
  LEGACY_DATABASE_URL            for import-legacy: the old database
  KEY_BACKUP_RECIPIENTS          for keys rotate: public keys of age, separated by commas
  KEY_BACKUP_DIR                 for keys rotate: the directory of backups
  WEBHOOK_SECRET                 for webhooks listen: secrets of endpoints, separated by commas
  DATABASE_SUPERUSER_URL         for database provision
  DATABASE_MIGRATION_URL         for database migrate`;

export function rootHelp(commands: ReadonlyMap<string, Entry>): string {
  return `Keeps the credentials of companies.

Usage: pnpm secrets <command> [arguments]

Commands:
${summaries(commands)}

"pnpm secrets <command> --help" explains one, with examples.

${environmentHelp}

${exitCodesHelp}`;
}

export function groupHelp(group: string, commands: ReadonlyMap<string, Entry>): string {
  return `Usage: pnpm secrets ${group} <command> [arguments]

Commands:
${summaries(commands)}

"pnpm secrets ${group} <command> --help" explains one, with examples.`;
}

export function commandHelp(name: string, summary: string, command: Command): string {
  const options = Object.entries(command.options);
  const usage = [
    `pnpm secrets ${name}`,
    ...command.positionals.map((positional) => `<${positional}>`),
    ...(command.optional === undefined ? [] : [`[${command.optional}]`]),
    ...options
      .filter(([, { required }]) => required === true)
      .map(([option, { value, multiple }]) => {
        const spelled = `--${option} <${value ?? "value"}>`;
        return multiple === true ? `${spelled} [${spelled} …]` : spelled;
      }),
    "[options]",
  ];
  const explained = options.map(([option, { value, help }]) => [
    `  --${option}${value === undefined ? "" : ` <${value}>`}`,
    help,
  ]);
  return `${summary}.

Usage: ${usage.join(" ")}

${command.details}

Options:
${columns(explained)}

Examples:
${command.examples.map((example) => `  ${example.includes("pnpm secrets") ? example : `pnpm secrets ${example}`}`).join("\n")}

Exit codes and environment: pnpm secrets --help`;
}

function summaries(commands: ReadonlyMap<string, Entry>): string {
  return columns([...commands].map(([name, { summary }]) => [`  ${name}`, summary]));
}

function columns(rows: readonly (readonly string[])[]): string {
  return table(["", ""], rows).replace(/^\n/, "");
}
