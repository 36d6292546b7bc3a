import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { whenDone } from "@repo/db/testing";
import { createBackends, operator, startApi } from "@repo/hono-api/testing";
import { chromium, type Page } from "playwright-core";
import { expect, inject, it } from "vitest";
import { environmentWith } from "./env.ts";

const password = "correct horse battery staple";
const email = "pat@acmecorp.example";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a port was given");
  return address.port;
}

/** A page of the product with an authenticator that knows its owner's finger. */
async function openPage(origin: string): Promise<Page> {
  const { executablePath, variables } = inject("chromium");
  const environment = Object.entries(environmentWith(variables)).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  const browser = await chromium.launch({
    executablePath,
    env: Object.fromEntries(environment),
    // Chromium refuses to sandbox as root.
    chromiumSandbox: process.getuid?.() !== 0,
  });
  whenDone(() => browser.close());
  const context = await browser.newContext({ locale: "en-GB" });
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await page.goto(`${origin}/sign-in`);
  return page;
}

/** What the page's own script is answered: the status, and the data or the body. */
function ask(page: Page, to: string, body?: unknown) {
  return page.evaluate(
    async ([url, text]) => {
      const init = { method: "POST", headers: { "content-type": "application/json" }, body: text };
      const response = await fetch(url, text === null ? {} : init);
      const read = await response.json();
      return { status: response.status, answer: read.result?.data.json ?? read };
    },
    [to, body === undefined ? null : JSON.stringify(body)] as const,
  );
}

it("a person adds a passkey as their only second factor, and signs in with it", async () => {
  const backends = await createBackends();
  const port = await freePort();
  const adminDirectory = path.resolve(import.meta.dirname, "../dist");
  const api = await startApi({ backends, adminDirectory, mails: [], port });
  const pat = { email, name: "Pat", role: "owner" } as const;
  const { userId } = await backends.secrets.admin.members.add(operator, "acmecorp", pat);
  await api.accounts?.createPassword(userId, password);
  const page = await openPage(`http://localhost:${port}`);

  expect((await ask(page, "/api/sign-in/email", { email, password })).answer).toEqual({ next: "done" });
  expect((await ask(page, "/trpc/me.get")).answer.factors).toMatchObject({ passkeys: 0, due: true });
  const { answer: creation } = await ask(page, "/trpc/me.passkeys.begin", {});
  const made = await page.evaluate(async (json) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(json);
    const credential = await navigator.credentials.create({ publicKey });
    if (!(credential instanceof PublicKeyCredential)) throw new Error("the browser made no passkey");
    const { id, rawId, type, response } = credential.toJSON();
    if (!("attestationObject" in response)) throw new Error("a new passkey has an attestation");
    const { clientDataJSON, attestationObject } = response;
    return { id, rawId, type, response: { clientDataJSON, attestationObject } };
  }, creation);
  const finished = await ask(page, "/trpc/me.passkeys.finish", { json: { name: "Laptop", response: made } });
  expect([finished.status, finished.answer.backupCodes?.length]).toEqual([200, 10]);
  const { factors } = (await ask(page, "/trpc/me.get")).answer;
  expect(factors).toEqual({ totp: false, passkeys: 1, backupCodesLeft: 10, due: false });

  await ask(page, "/api/sign-in/sign-out", {});
  expect((await ask(page, "/trpc/me.get")).status).toBe(401);
  const again = await ask(page, "/api/sign-in/email", { email, password });
  expect(again.answer).toEqual({ next: "second-factor" });
  expect((await ask(page, "/trpc/me.get")).status).toBe(401);
  const { answer: request } = await ask(page, "/api/sign-in/passkey-options", {});
  const signed = await page.evaluate(async (json) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json);
    const credential = await navigator.credentials.get({ publicKey });
    if (!(credential instanceof PublicKeyCredential)) throw new Error("the browser signed nothing");
    return credential.toJSON();
  }, request);
  expect((await ask(page, "/api/sign-in/passkey", { passkey: signed })).answer).toEqual({ next: "done" });
  expect((await ask(page, "/trpc/me.get")).answer).toMatchObject({ id: userId, email });
  expect((await ask(page, "/trpc/me.passkeys.list")).answer).toMatchObject([
    { name: "Laptop", lastUsedAt: expect.any(String) },
  ]);
});
