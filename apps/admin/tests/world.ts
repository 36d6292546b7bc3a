import { once } from "node:events";
import { createServer } from "node:net";
import { whenDone } from "@repo/db/testing";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createBackends, operator, type Backends, type Subdomain } from "@repo/hono-api/testing";
import { canaryOf, type Canary } from "@repo/hono-api/testing/canary";
import { startServer, variablesOf } from "@repo/hono-api/testing/spawn";
import { startInbox, type Inbox } from "@repo/mail/inbox";
import { createTenantSecretsClient, type TenantSecretsClient } from "@repo/tenant-secrets/client";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { expect, inject } from "vitest";
import { environmentWith } from "./env.ts";
import { createPeople, type People, type Person, type Role } from "./people.ts";
import { expectCalm, watchOver, type Watch } from "./watch.ts";

/** A page in a browser context of its own, watched until the test ends. */
export interface WatchedPage {
  readonly page: Page;
  /** What it did that no page may do. A test that provokes something empties the list again. */
  readonly watch: Watch;
  /** Goes to a path of the app, and waits for the heading of a page. */
  readonly open: (path: string) => Promise<void>;
}

/** A person in front of a page that has loaded nothing yet. */
export interface PersonAtPage extends WatchedPage {
  readonly person: Person;
}

interface PageOptions extends BrowserContextOptions {
  /** Whether the person signed in within the last five minutes. Default true. */
  readonly confirmed?: boolean;
}

type SignedIn = (company: Subdomain, options?: PageOptions) => Promise<PersonAtPage>;

/** The real API in a process of its own, with jobs, on a database of its own; and a browser. Ended after the test file. */
export interface World extends Readonly<Record<Role, SignedIn>>, People {
  /** The address of the API and of the pages. */
  readonly url: string;
  /** The environment of the API's process, for another one beside it. */
  readonly variables: Readonly<Record<string, string>>;
  readonly browser: Browser;
  /** The product in this process, on the same database: `backends.secrets`, with `operator` as the caller. */
  readonly backends: Backends;
  /** The mails that the API sent. */
  readonly inbox: Inbox;
  /** A page of a visitor. */
  visitor(options?: BrowserContextOptions): Promise<WatchedPage>;
  /** A page of a person who has signed in: on a second device, or with several companies. */
  signedIn(person: Person, options?: PageOptions): Promise<PersonAtPage>;
  /** A page of a person whom the platform's operators count among them, who is an owner of acmecorp besides. */
  operator(options?: PageOptions): Promise<PersonAtPage>;
  /** The other end: what the API answers to an API key with every permission that a service can have. */
  client(company: Subdomain): Promise<TenantSecretsClient<typeof deliveryChatCatalog>>;
  /** The newest events of the audit log; of these actions, where some are named. */
  events(
    ...actions: readonly string[]
  ): Promise<Awaited<ReturnType<Backends["secrets"]["admin"]["audit"]["list"]>>["events"]>;
  /** From now on no page of this file may keep this value anywhere. @returns the value */
  canary(value: string): string;
}

/** Put there, as the first start would wait a second for others that make one. */
const signInSecret = "fake-secret-of-a-test-fake-secret-of-a-test";

/** @param more variables of the API's process beside those of every test */
export async function createWorld(more: Readonly<Record<string, string>> = {}): Promise<World> {
  const backends = await createBackends();
  await backends.infisical.putSecret("/hono-api", "SIGN_IN_SECRET", signInSecret);
  const inbox = await startInbox();
  whenDone(() => inbox.stop());
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const variables = {
    ...variablesOf(backends.database.urls, backends.emulator),
    DATABASE_SIGN_IN_URL: backends.database.urls.signIn,
    SMTP_URL: inbox.smtpUrl,
    MAIL_FROM: "no-reply@example.test",
    PUBLIC_URL: url,
    PORT: String(port),
    // For the addresses of visitors.
    TRUSTED_PROXIES: "1",
    HOST: "localhost",
    STRIPE_API_URL: backends.stripe.url,
    // Of the two providers this one never answers.
    SENDGRID_API_URL: "http://127.0.0.1:1",
    ...more,
  };
  const server = startServer(variables);
  whenDone(async () => {
    server.kill("SIGKILL");
    await server.ended;
  });
  const people = createPeople({ backends, publicUrl: url });
  const [browser] = await Promise.all([theBrowser(), server.says(/"msg":"ready/)]);
  const canaries: Canary[] = [];
  let visitors = 0;

  const visitor = async (options?: BrowserContextOptions): Promise<WatchedPage> => {
    const context = await browser.newContext({
      locale: "en-GB",
      permissions: ["clipboard-read", "clipboard-write"],
      // An address of its own, so that visitors do not use up each other's limits.
      extraHTTPHeaders: { "x-forwarded-for": `198.51.100.${(visitors += 1)}` },
      ...options,
    });
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    const watch = await watchOver(page, url, canaries);
    whenDone(async () => {
      try {
        await expectCalm(page, watch, canaries);
      } finally {
        await context.close();
      }
    });
    const open = async (address: string): Promise<void> => {
      await page.goto(url + address);
      await page.getByRole("heading", { level: 1 }).waitFor();
    };
    return { page, watch, open };
  };
  const signedIn: World["signedIn"] = async (person, { confirmed = true, ...options } = {}) => {
    const cookie = await people.session(person, { confirmed });
    const watched = await visitor(options);
    await watched.page
      .context()
      .addCookies([
        { ...cookie, domain: "localhost", path: "/", secure: true, httpOnly: true, sameSite: "Strict" },
      ]);
    return { ...watched, person };
  };
  const withRole =
    (role: Role): SignedIn =>
    async (company, options) =>
      signedIn(await people.person({ [company]: role }), options);

  return {
    ...people,
    url,
    variables,
    browser,
    backends,
    inbox,
    visitor,
    signedIn,
    owner: withRole("owner"),
    admin: withRole("admin"),
    member: withRole("member"),
    auditor: withRole("auditor"),
    operator: async (options) => {
      const person = await people.person({ acmecorp: "owner" });
      const expiresAt = new Date(Date.now() + 3_600_000);
      await backends.secrets.admin.operators.link(operator, { email: person.email, expiresAt });
      return signedIn(person, options);
    },
    client: async (company) => {
      const { apiKey } = await backends.apiKey(company);
      return createTenantSecretsClient({ url, credential: apiKey, catalog: deliveryChatCatalog });
    },
    events: async (...actions) => {
      const { events } = await backends.secrets.admin.audit.list(operator, {
        limit: 100,
        ...(actions.length > 0 && { actions }),
      });
      return events;
    },
    canary: (value) => {
      canaries.push(canaryOf(value));
      return value;
    },
  };
}

/** Gives the browser of a page an authenticator: a finger that is there and right, and that can be taken away. */
export async function addAuthenticator(page: Page): Promise<(isThere: boolean) => Promise<void>> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return async (isThere) => {
    await devtools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled: isThere });
  };
}

/** Nothing is wider than the window. */
export async function expectNoOverflow(page: Page): Promise<void> {
  const overflow = () =>
    page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  // A page that was just made narrow draws its tables as cards a moment later.
  await expect.poll(overflow).toBeLessThanOrEqual(0);
}

let launched: Promise<Browser> | undefined;

/** One browser for all files of this process, whose pages are in contexts of their own. It ends with the process. */
async function theBrowser(): Promise<Browser> {
  const before = await launched;
  if (before?.isConnected() === true) return before;
  const { executablePath, variables } = inject("chromium");
  launched = chromium.launch({
    executablePath,
    env: definedOf(environmentWith(variables)),
    // Its own handler ends the browser, and not this process.
    handleSIGTERM: false,
    // Chromium refuses to sandbox as root.
    chromiumSandbox: process.getuid?.() !== 0,
  });
  const browser = await launched;
  process.once("SIGTERM", () => void browser.close().finally(() => process.exit()));
  return browser;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "localhost");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  return address.port;
}

function definedOf(variables: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
