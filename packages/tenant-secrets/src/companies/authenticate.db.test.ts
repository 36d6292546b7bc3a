import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { afterAll, describe, expect, test, vi } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import type { Role, Session } from "@repo/catalog";
import type { CacheOptions } from "../cache/cache-options.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { assembleTenantSecrets } from "../assemble.ts";
import type { Assembly } from "../assembly/assembly.ts";
import type { AuthenticationRequest, SignedIn } from "./authenticate.ts";
import { makeCredential } from "./credential.ts";

const fixture = await createFixture();
const lax = { failedCredentialsPerMinute: 1000 };
const { secrets, superuser } = fixture;
const closing: (() => Promise<unknown>)[] = [];
afterAll(() => Promise.all(closing.map((close) => close())));

const soon = () => new Date(Date.now() + 3_600_000);
const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");

/** A minimal sign-in: a random token in a cookie, mapped to a user by its hash. */
const sessions = new Map<string, SignedIn>();
function session(userId: string, known?: Session): { readonly headers: Headers } {
  const token = randomBytes(32).toString("hex");
  sessions.set(hashOf(token), { userId, session: known });
  return { headers: new Headers({ cookie: `theme=dark; session=${token}` }) };
}
async function signIn(headers: Headers): Promise<SignedIn | undefined> {
  const token = /(?:^|; )session=([0-9a-f]{64})(?:;|$)/.exec(headers.get("cookie") ?? "")?.[1];
  return token === undefined ? undefined : sessions.get(hashOf(token));
}

/** Another process: its own connections, empty caches. */
function start(
  applicationUrl = fixture.urls.application,
  cache: CacheOptions = {},
): Assembly<typeof deliveryChatCatalog> {
  const database = connectDatabase({
    applicationUrl,
    maintenanceUrl: fixture.urls.maintenance,
    deadlineMs: 2000,
  });
  closing.push(() => database.close());
  const infisical = createInfisicalClient({ ...fixture.emulator, environment: "dev" });
  return assembleTenantSecrets({
    database,
    infisical,
    catalog: deliveryChatCatalog,
    limits: lax,
    signIn,
    cache,
  });
}

async function serve(
  applicationUrl?: string,
  cache?: CacheOptions,
): Promise<Assembly<typeof deliveryChatCatalog>> {
  const served = start(applicationUrl, cache);
  const serving = await served.serve(fixture.urls.listener, () => {});
  closing.unshift(() => serving.stop());
  return served;
}

/** A company with every kind of actor whose access can be revoked. */
async function population() {
  const subdomain = await fixture.company("database");
  const { apiKey, description } = await secrets.apiKeys.create(operator, {
    name: "test",
    companies: [subdomain],
    platform: false,
    verbs: ["use"],
    secretKeys: ["*"],
    expiresAt: soon(),
  });
  const { id: operatorId, token } = await secrets.operators.create(product, {
    name: "Ada",
    expiresAt: soon(),
  });
  const admin = await fixture.person(subdomain, "admin");
  const member = await fixture.person(subdomain, "member");
  return { subdomain, apiKey, apiKeyId: description.id, operatorId, token, admin, member };
}

const refused = (process: Assembly<typeof deliveryChatCatalog>, request: AuthenticationRequest) =>
  codeOf(process.authenticate(request));

async function rolesOf(
  process: Assembly<typeof deliveryChatCatalog>,
  request: AuthenticationRequest,
): Promise<Role[]> {
  const { actor } = await process.authenticate(request);
  return actor.kind === "user" ? [...actor.roles.values()] : [];
}

describe("a signed-in person", () => {
  test("a signed-in person is authenticated with a role in each of their companies; an unknown or disabled one is refused", async () => {
    const here = start();
    const [a, b] = [await fixture.company("database"), await fixture.company("infisical")];
    const { userId } = await fixture.person(a, "owner");
    const { email } =
      (await secrets.members.list(operator, a)).find((member) => member.userId === userId) ?? {};
    await secrets.members.add(operator, b, { email: email ?? "", name: "x", role: "auditor" });
    const origin = { requestId: "r-1", address: "192.0.2.1" };
    const { actor, ...rest } = await here.authenticate({ ...session(userId), ...origin });
    expect(rest).toEqual(origin);
    expect(actor).toMatchObject({ kind: "user", id: userId });
    expect(await rolesOf(here, session(userId))).toHaveLength(2);
    const caller = { actor };
    expect(await here.members.list(caller, a)).toHaveLength(1);
    expect(await codeOf(here.members.list(caller, b))).toBe("FORBIDDEN");

    await secrets.users.disable(operator, userId);
    const nobody: AuthenticationRequest[] = [
      {},
      { headers: new Headers() },
      { headers: new Headers({ cookie: `session=${"0".repeat(64)}` }) },
      session(crypto.randomUUID()),
      session("not an id"),
      session(userId),
      { credential: makeCredential("tsk").text, ...session(userId) },
    ];
    const messages = await Promise.all(
      nobody.map((request) => here.authenticate(request).then(String, (error: unknown) => String(error))),
    );
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).toContain("Send an API key");
    await secrets.users.enable(operator, userId);
    expect(await rolesOf(here, session(userId))).toHaveLength(2);
  });

  test("a session is asked for at every request: how it changes, and its end, are seen at once", async () => {
    const { member } = await population();
    const served = await serve();
    const known = { id: "a session", confirmedAt: undefined, enrolled: false };
    const request = session(member.userId, known);
    expect((await served.authenticate(request)).session).toEqual(known);
    const confirmed = { ...known, confirmedAt: new Date(), enrolled: true };
    for (const [token, signedIn] of sessions) {
      if (signedIn.session === known) sessions.set(token, { userId: member.userId, session: confirmed });
    }
    expect((await served.authenticate(request)).session).toEqual(confirmed);
    for (const [token, signedIn] of sessions) if (signedIn.session === confirmed) sessions.delete(token);
    expect(await refused(served, request)).toBe("UNAUTHENTICATED");
  });

  test("a session is ignored if the request has a credential: a bad one is refused", async () => {
    const { apiKey, member } = await population();
    const here = start();
    const { headers } = session(member.userId);
    expect(await rolesOf(here, { headers })).toEqual(["member"]);
    expect((await here.authenticate({ credential: apiKey, headers })).actor.kind).toBe("service");
    for (const credential of ["", "nonsense", makeCredential("tso").text]) {
      expect(await refused(here, { credential, headers })).toBe("UNAUTHENTICATED");
    }
  });
});

describe("an API key with a list of addresses", () => {
  test("a restricted API key is accepted from its addresses in any spelling, and refused like any other from elsewhere", async () => {
    const { subdomain } = await population();
    for (const platform of [false, true]) {
      const { apiKey: credential, description } = await secrets.apiKeys.create(operator, {
        name: "office",
        companies: [subdomain],
        platform,
        verbs: ["use"],
        secretKeys: ["*"],
        addresses: ["192.0.2.0/24", "2001:DB8::1", "::ffff:198.51.100.7", "192.0.2.0/24"],
        expiresAt: soon(),
      });
      expect(description.addresses).toEqual(["192.0.2.0/24", "2001:db8::1", "198.51.100.7"]);
      for (const address of ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8:0::1", "198.51.100.7"]) {
        expect((await secrets.authenticate({ credential, address })).actor.kind, address).toBe("service");
      }
      const message = await secrets.authenticate({}).catch((error: unknown) => Object(error).message);
      for (const address of ["192.0.3.1", "2001:db8::2", "::1", "", "192.0.2.9, 8.8.8.8", undefined]) {
        const call = secrets.authenticate({ credential, address });
        await expect(call, address).rejects.toMatchObject({ code: "UNAUTHENTICATED", message });
      }
    }
  });
});

describe("cached authentication", () => {
  test("a revoked key, disabled person, removed member or changed role takes effect in every process at once", async () => {
    const { subdomain, apiKey, apiKeyId, operatorId, token, admin, member } = await population();
    const [here, there] = await Promise.all([serve(), serve()]);
    const people = [session(admin.userId), session(member.userId)] as const;
    const ask = () =>
      Promise.all([
        refused(there, { credential: apiKey }),
        refused(there, { credential: token }),
        refused(there, people[0]),
        rolesOf(there, people[1]),
      ]);
    expect(await ask()).toEqual(["no error", "no error", "no error", ["member"]]);
    await here.apiKeys.revoke(operator, subdomain, apiKeyId);
    await here.operators.revoke(product, operatorId);
    await here.users.disable(operator, admin.userId);
    await here.members.change(operator, subdomain, { userId: member.userId, role: "auditor" });
    // Well before the TTL of the cached authentication.
    await vi.waitFor(
      async () =>
        expect(await ask()).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED", ["auditor"]]),
      { timeout: 3000, interval: 20 },
    );
    await here.members.remove(operator, subdomain, { userId: member.userId });
    await vi.waitFor(async () => expect(await rolesOf(there, people[1])).toEqual([]), { timeout: 60_000 });
  });

  test("without notifications a cached authentication is used for five seconds, and a cached refusal for one", async () => {
    const { apiKey, apiKeyId, operatorId, token, admin, member } = await population();
    const proxy = await startProxy(fixture.urls.application);
    const [unnotified, cutOff, command] = [await serve(), await serve(proxy.url), start()];
    const people = [session(admin.userId), session(member.userId)] as const;
    const ask = (process: typeof unnotified) =>
      Promise.all([
        refused(process, { credential: apiKey }),
        refused(process, { credential: token }),
        refused(process, people[0]),
        rolesOf(process, people[1]).catch((error: unknown) => Object(error).code),
      ]);
    const before = ["no error", "no error", "no error", ["member"]];
    // A role without a valid MAC grants nothing.
    const after = ["UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED", []];
    expect([await ask(command), await ask(cutOff), await ask(unnotified)]).toEqual([before, before, before]);
    const knownAt = Date.now();

    await superuser.begin(async (sql) => {
      await sql`set local session_replication_role = replica`;
      await sql`update api_keys set revoked_at = now() where id = ${apiKeyId}`;
      await sql`update operators set revoked_at = now() where id = ${operatorId}`;
      await sql`update users set disabled_at = now() where id = ${admin.userId}`;
      await sql`update memberships set role = 'auditor' where user_id = ${member.userId}`;
    });
    await proxy.stop();
    const meanwhile = [await ask(cutOff), await ask(unnotified)];
    // On an overloaded machine the five seconds may be over: then this proves nothing.
    if (Date.now() - knownAt < 3000) expect(meanwhile).toEqual([before, before]);
    // A command receives no notifications, and so caches nothing.
    expect(await ask(command)).toEqual(after);
    expect(await refused(cutOff, session(crypto.randomUUID()))).toBe("DATABASE_UNAVAILABLE");

    await sleep(Math.max(0, knownAt + 5100 - Date.now()));
    expect(await ask(unnotified)).toEqual(after);
    // In an outage the revocation is not visible: services and people keep their access, operators do not.
    expect(await ask(cutOff)).toEqual(["no error", "DATABASE_UNAVAILABLE", "no error", ["member"]]);
    await superuser.begin(async (sql) => {
      await sql`set local session_replication_role = replica`;
      await sql`update api_keys set revoked_at = null where id = ${apiKeyId}`;
    });
    await vi.waitFor(async () => expect(await refused(unnotified, { credential: apiKey })).toBe("no error"), {
      timeout: 4000,
      interval: 200,
    });
  });
});

describe("authentication during a database outage", () => {
  const ceilingMs = 8000;
  async function outage() {
    const people = await population();
    const proxy = await startProxy(fixture.urls.application);
    const cutOff = await serve(proxy.url, { staleIfErrorMs: ceilingMs });
    return { ...people, proxy, cutOff };
  }

  test("a cached authentication is accepted up to the stale-if-error limit, and unknown credentials are refused", async () => {
    const { proxy, cutOff, apiKey, admin, subdomain } = await outage();
    const other = await secrets.apiKeys.create(operator, {
      name: "other",
      companies: [subdomain],
      platform: false,
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt: soon(),
    });
    // Creating credentials also notifies, and invalidates the cache.
    await sleep(1000);
    const person = session(admin.userId);
    const ask = () => Promise.all([refused(cutOff, { credential: apiKey }), refused(cutOff, person)]);
    expect(await ask()).toEqual(["no error", "no error"]);
    const knownAt = Date.now();
    await proxy.stop();
    await sleep(Math.max(0, knownAt + 5500 - Date.now()));
    const late = await ask();
    if (Date.now() - knownAt < ceilingMs) expect(late).toEqual(["no error", "no error"]);
    expect(await refused(cutOff, { credential: other.apiKey })).toBe("DATABASE_UNAVAILABLE");
    expect(await refused(cutOff, { credential: `${apiKey.slice(0, -1)}x` })).not.toBe("no error");
    await sleep(Math.max(0, knownAt + ceilingMs + 100 - Date.now()));
    expect(await ask()).toEqual(["DATABASE_UNAVAILABLE", "DATABASE_UNAVAILABLE"]);
  });

  test("a credential that expires during an outage is refused", async () => {
    const { proxy, cutOff, subdomain } = await outage();
    const expiresAt = new Date(Date.now() + 8000);
    const { apiKey } = await secrets.apiKeys.create(operator, {
      name: "short",
      companies: [subdomain],
      platform: false,
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt,
    });
    await sleep(1000);
    const ask = () => refused(cutOff, { credential: apiKey });
    expect(await ask()).toBe("no error");
    await proxy.stop();
    await sleep(Math.max(0, expiresAt.getTime() - 500 - Date.now()));
    const last = await ask();
    if (Date.now() < expiresAt.getTime()) expect(last).toBe("no error");
    await sleep(Math.max(0, expiresAt.getTime() + 200 - Date.now()));
    expect(await ask()).not.toBe("no error");
  });
});

test("an API key's last use sends no notification; a change of its permissions does", async () => {
  const { subdomain, apiKeyId } = await population();
  let news = 0;
  const listening = await superuser.listen("tenant_secrets", (subject) => {
    if (subject === "credentials") news += 1;
  });
  await superuser`update api_keys set last_used_at = null where id = ${apiKeyId}`;
  await superuser`select touch_api_key(${apiKeyId})`;
  await superuser`select pg_notify('tenant_secrets', 'credentials')`;
  await vi.waitFor(() => expect(news).toBeGreaterThan(0), 60_000);
  expect(news).toBe(1);
  await secrets.apiKeys.revoke(operator, subdomain, apiKeyId);
  await vi.waitFor(() => expect(news).toBe(2), 60_000);
  await listening.unlisten();
});

/** The connection to the database, which can be cut. */
async function startProxy(databaseUrl: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
