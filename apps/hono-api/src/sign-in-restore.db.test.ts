import { codeOf } from "@repo/sign-in/authenticator-code";
import { expect, test } from "vitest";
import { openBrowser } from "./testing/browser.ts";
import { createBackends, operator, startApi } from "./testing/fixture.ts";

const folder = "/hono-api";
const password = "correct horse battery staple";
const passphrase = "fake horse, fake battery, fake staple";

test(
  "after Infisical was lost, a restored backup lets a person sign in with their authenticator app",
  { timeout: 180_000 },
  async () => {
    const backends = await createBackends();
    const api = await startApi({ backends, mails: [] });
    const { keyBackups, members } = backends.secrets.admin;
    const email = "pat@acmecorp.example";
    const { userId } = await members.add(operator, "acmecorp", { email, name: "Pat", role: "owner" });
    await api.accounts?.createPassword(userId, password);
    const secret = (await api.accounts?.totp.begin(userId))?.secret ?? "";
    const keepSession = crypto.randomUUID();
    await api.accounts?.totp.finish(userId, { code: await codeOf(secret), keepSession });
    const file = await keyBackups.createBackup(operator, { passphrase });

    for (const { secretKey } of await backends.infisical.listSecrets(folder))
      await backends.infisical.deleteSecret(folder, secretKey);
    const { signInSecrets } = await keyBackups.restoreBackup(operator, file, { passphrase });
    expect(signInSecrets).toEqual([{ version: 1, state: "restored" }]);

    const afterwards = await startApi({ backends, mails: [] });
    const browser = openBrowser(afterwards.url, new URL(afterwards.url).origin);
    const first = await browser.post("/api/sign-in/email", { email, password });
    expect(first.body).toBe('{"next":"second-factor"}');
    // The code of a later step: the one above is spent.
    const code = await codeOf(secret, 1);
    const done = await browser.post("/api/sign-in/second-factor", { code });
    expect(done.body).toBe('{"next":"done"}');
  },
);
