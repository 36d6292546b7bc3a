import type { DataDirectory } from "./data-directory.ts";

/** The companies of the demo, and where the secrets of each live. */
export const demoCompanies = {
  codewiser: "infisical",
  acmecorp: "hybrid",
  "another-company": "database",
} as const;
export type DemoCompany = keyof typeof demoCompanies;

/** The people of the demo, and their roles. */
export const demoPeople: Readonly<Record<string, DemoPerson>> = {
  pat: { name: "Pat", email: "pat@acmecorp.example", roles: { acmecorp: "owner" } },
  mia: { name: "Mia", email: "mia@acmecorp.example", roles: { acmecorp: "member" } },
  lou: { name: "Lou", email: "lou@acmecorp.example", roles: { acmecorp: "auditor", codewiser: "member" } },
  ops: { name: "Ops", email: "ops@example.test", roles: {}, isOperator: true },
};

interface DemoPerson {
  readonly name: string;
  readonly email: string;
  /** By the company's subdomain. */
  readonly roles: Readonly<Record<string, "owner" | "member" | "auditor">>;
  /** Whether the person may act as an operator. */
  readonly isOperator?: boolean;
}

export const passwordOf = (person: string): string => `${person} password`;
/** The secret of the person's authenticator app. */
export const totpOf = (person: string): string => `${person} totp`;

/** Whether each person of the demo has a password and an authenticator app. */
export function haveAllPeople(credentials: Credentials): boolean {
  return Object.keys(demoPeople).every(
    (person) => credentials[passwordOf(person)] !== undefined && credentials[totpOf(person)] !== undefined,
  );
}

/** The file of the data directory that keeps them. */
export const credentialsFile = "credentials.json";

/** By whose it is: `operator`, `platform`, a company's subdomain, or what a person signs in with. */
export type Credentials = Readonly<Record<string, string>>;

/** Where the credentials of the demo are kept. */
export interface CredentialStore {
  readonly known: (name: string) => string | undefined;
  /** Told of what a person signs in with before it counts, so that none is lost. */
  readonly keep: (name: string, text: string) => void;
}

/** Credentials in the file of a data directory. */
export function openCredentials(data: DataDirectory): CredentialStore & { readonly all: () => Credentials } {
  let credentials: Credentials = data.read(credentialsFile);
  return {
    all: () => credentials,
    known: (name) => credentials[name],
    keep: (name, text) => {
      credentials = { ...credentials, [name]: text };
      data.write(credentialsFile, credentials);
    },
  };
}

const names = ["operator", "platform", ...Object.keys(demoCompanies)];

/** Whether the demo's credentials are all there, and the API at `url` takes each of them. */
export async function areAllGood(credentials: Credentials, url: string): Promise<boolean> {
  const checks = names.map(async (name) => {
    const credential = credentials[name];
    if (credential === undefined) return false;
    const company = name in demoCompanies ? name : "codewiser";
    const input = encodeURIComponent(JSON.stringify({ json: { company } }));
    const response = await fetch(`${url}/trpc/secrets.list?input=${input}`, {
      headers: { authorization: `Bearer ${credential}` },
    });
    await response.body?.cancel();
    // Any other answer is about the company; the credential was taken.
    return response.status !== 401;
  });
  return (await Promise.all(checks)).every(Boolean);
}
