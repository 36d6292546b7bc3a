/** The companies of the demo, and where the secrets of each live. */
export const demoCompanies = {
  codewiser: "infisical",
  acmecorp: "hybrid",
  "another-company": "database",
} as const;
export type DemoCompany = keyof typeof demoCompanies;

/** By whose it is: `operator`, `platform`, or a company's subdomain. */
export type Credentials = Readonly<Record<string, string>>;

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
