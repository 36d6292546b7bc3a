import { z } from "zod";
import type { Deployment } from "./deployment.ts";
import { inLanes } from "./measuring.ts";
import { secretKeyOf, subdomainOf, valueOf } from "./population.ts";

const LogIn = z.object({ accessToken: z.string() });

/** Fills the folders of companies in Infisical, each in one request. */
export async function fillFolders(
  { client, infisical }: Deployment,
  { companies, secretsOfEach }: { readonly companies: readonly number[]; readonly secretsOfEach: number },
): Promise<void> {
  const { siteUrl, clientId, clientSecret, projectId } = infisical;
  const post = async (path: string, body: object, token?: string): Promise<unknown> => {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const headers = { "content-type": "application/json", ...authorization };
    const answer = await fetch(siteUrl + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`The local Infisical answered ${answer.status}.`);
    return answer.json();
  };
  const { accessToken } = LogIn.parse(
    await post("/api/v1/auth/universal-auth/login", { clientId, clientSecret }),
  );
  await inLanes(8, companies.length, async (i) => {
    const subdomain = subdomainOf(companies[i] ?? 0);
    const secretPath = `/tenants/${subdomain}`;
    await client.createFolder(secretPath);
    const secrets = Array.from({ length: secretsOfEach }, (_, at) => {
      const secretKey = secretKeyOf(at);
      return { secretKey, secretValue: valueOf(subdomain, secretKey) };
    });
    const body = { workspaceId: projectId, environment: "dev", secretPath, secrets };
    await post("/api/v3/secrets/batch/raw", body, accessToken);
  });
}
