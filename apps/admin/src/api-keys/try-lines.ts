interface Lines {
  readonly title: string;
  readonly hint: string;
  readonly text: string;
}

interface Tried {
  /** Of the API. */
  readonly url: string;
  readonly company: string;
  /** One that the key covers, if one is known. */
  readonly secretKey: string | undefined;
  readonly verbs: readonly string[];
}

/** @returns what one can paste to see that a key works; none of a key that cannot look at anything */
export function linesToTry(tried: Tried): readonly Lines[] {
  const { url, company, secretKey, verbs } = tried;
  if (verbs.includes("use") && secretKey !== undefined) {
    const body = JSON.stringify({ company, secretKey });
    return [
      shell(`${curl(url, "secrets.read")} -d '${body}'`),
      program(tried, `await client.company("${company}").get("${secretKey}");`),
    ];
  }
  if (!verbs.includes("describe")) return [];
  const body = JSON.stringify({ company });
  return [
    shell(`${curl(url, "secrets.list")} -d '${body}'`),
    program(tried, `await client.company("${company}").list();`),
  ];
}

function curl(url: string, procedure: string): string {
  return `curl -sS ${url}/api/v1/${procedure} -H "authorization: Bearer $API_KEY" -H 'content-type: application/json'`;
}

function shell(line: string): Lines {
  return {
    title: "Try it in a shell",
    hint: "It waits for the key: paste it, and press Enter. So it is in no history.",
    text: `read -rs API_KEY && ${line}`,
  };
}

function program({ url }: Tried, call: string): Lines {
  return {
    title: "In a program",
    hint: "The catalogue is your product’s own.",
    text: [
      `import { createTenantSecretsClient } from "tenant-secrets-client";`,
      `import { catalog } from "./catalog.ts";`,
      ``,
      `const credential = process.env.TENANT_SECRETS_API_KEY;`,
      `const client = createTenantSecretsClient({ url: "${url}", credential, catalog });`,
      call,
    ].join("\n"),
  };
}
