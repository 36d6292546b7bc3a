import { createHash, randomBytes } from "node:crypto";
import { OAuthTokens, PostgresLogin } from "@repo/catalog";
import { createOutbound } from "@repo/outbound";
import { startLocalCrm } from "@repo/providers/crm";
import { startLocalOAuth } from "@repo/providers/oauth";
import { startLocalSendgrid } from "@repo/providers/sendgrid";
import type postgres from "postgres";
import type { DriverCall, RotationDriver } from "../../rotation/drivers/driver.ts";
import { httpTemplate } from "../../rotation/drivers/http-template/http-template.ts";
import { createOauth2Driver } from "../../rotation/drivers/oauth2.ts";
import { createPostgresRoleDriver } from "../../rotation/drivers/postgres-role/postgres-role.ts";
import { scramVerifier } from "../../rotation/drivers/postgres-role/scram.ts";
import { createSendgridDriver } from "../../rotation/drivers/sendgrid.ts";
import { startPostgresProxy, type Way } from "../postgres-proxy.ts";

/** What can go wrong at a step, and how. */
export interface StepFault {
  readonly name: string;
  /** The next request, or connection, goes wrong. */
  readonly arm: () => void;
  /** How long the answer to it is waited for. */
  readonly timeoutMs?: number;
}

/** A provider with a secret that an earlier rotation made, and the driver that rotates it. */
export interface FaultWorld {
  readonly driver: RotationDriver;
  readonly settings: object;
  readonly current: string;
  /** How the provider calls the current credential; undefined where it has no name. */
  readonly currentRef?: string | undefined;
  /** The secret with whose rights the driver acts, where that is another one. */
  readonly manager?: string | undefined;
  readonly fetch: DriverCall["fetch"];
  readonly faults: readonly StepFault[];
  /** The names of what the provider accepts, but for what a person made: markers where it has them. */
  live(): Promise<readonly string[]>;
  accepts(value: string): Promise<boolean>;
  /** Resolves once the provider has carried out what it was asked for, also where the answer was given up. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** Of the credential that an earlier rotation made. */
export const earlierMarker = "ts-0123456789ab-1";

const printOf = (value: string) => createHash("sha256").update(value).digest("hex");

interface Keys {
  readonly url: string;
  readonly faults: { add(fault: { readonly fault: "dropBefore" } & object): void };
  addKey(key: { readonly name: string }): { readonly id: string; readonly value: string };
  liveCredentials(): readonly { readonly name: string; readonly fingerprint: string }[];
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** Longer than a run is driven until its last look at the provider. */
const lateMs = 3000;
const patienceMs = 100;

const postgresWays = [
  "refused",
  "lost at the login",
  "lost before the change",
  "lost after the change",
] as const satisfies readonly Way[];
const nameOf = (way: Way): string => `a connection ${way}`;

/** Those of any request. */
const requestFaults = {
  "the connection ends": { fault: "dropBefore" },
  "the status 429": { fault: "status", status: 429, retryAfter: "7" },
  "a page of HTML": { fault: "html" },
} as const;
/** Further ones, which are like those above to the engine where nothing is changed. */
const changeFaults = {
  "the answer comes too late": { fault: "delay", ms: lateMs },
  "the status 500": { fault: "status", status: 500 },
  "half a JSON": { fault: "halfJson" },
  "the connection ends after the effect": { fault: "dropAfter" },
  "the status 502 after the effect": { fault: "status", status: 502, afterEffect: true },
  "a page of HTML after the effect": { fault: "html", afterEffect: true },
} as const;
const makingFaults = {
  "an empty value": { fault: "emptyKey" },
  "a credential of another account": { fault: "otherAccount" },
  "a new credential that is refused for a while": { fault: "propagation", for: { calls: 3 } },
  "a new credential that is revoked soon": { fault: "breakNew", for: { calls: 3 } },
  "no further credential": { fault: "limit" },
} as const;
const { "an empty value": _, ...untested } = makingFaults;
const endingFaults = {
  "an ended credential that is accepted for a while": { fault: "slowDeletion", for: { calls: 2 } },
} as const;

type LocalFault =
  | (typeof requestFaults)[keyof typeof requestFaults]
  | (typeof changeFaults)[keyof typeof changeFaults]
  | (typeof makingFaults)[keyof typeof makingFaults]
  | (typeof endingFaults)[keyof typeof endingFaults];

/**
 * The names of the faults that a step of this name can meet.
 *
 * @param all also those that are like others at this step
 */
export function faultNamesOf({ faults }: FaultWorld, step: string, all: boolean): readonly string[] {
  const changes = step === "create" || step === "retire";
  const possible = [
    ...(changes ? postgresWays : postgresWays.slice(0, 2)).map(nameOf),
    ...Object.keys(requestFaults),
    ...(changes || all ? Object.keys(changeFaults) : []),
    ...(step === "create" ? Object.keys(makingFaults) : []),
    ...(step === "retire" ? Object.keys(endingFaults) : []),
  ];
  return possible.filter((name) => faults.some((fault) => fault.name === name));
}

function httpFaults(provider: { readonly faults: { add(fault: LocalFault): void } }): readonly StepFault[] {
  const all: Readonly<Record<string, LocalFault>> = {
    ...requestFaults,
    ...changeFaults,
    ...makingFaults,
    ...endingFaults,
  };
  return Object.entries(all).map(([name, fault]) => ({
    name,
    arm: () => provider.faults.add(fault),
    ...(fault.fault === "delay" && { timeoutMs: patienceMs }),
  }));
}

function keysWorld(
  provider: Omit<Keys, "faults"> & Parameters<typeof httpFaults>[0],
  driver: RotationDriver,
): FaultWorld {
  const ofPerson = provider.addKey({ name: "made by a person" });
  const { id, value } = provider.addKey({ name: earlierMarker });
  const outbound = createOutbound({ allow: [new URL(provider.url).host] });
  const prints = () => provider.liveCredentials();
  return {
    driver,
    settings: {},
    current: value,
    currentRef: id,
    fetch: (url, request) => outbound.fetch(url, request),
    faults: httpFaults(provider),
    live: async () =>
      prints()
        .filter(({ fingerprint }) => fingerprint !== printOf(ofPerson.value))
        .map(({ name }) => name),
    accepts: async (text) => prints().some(({ fingerprint }) => fingerprint === printOf(text)),
    settled: () => provider.settled(),
    stop: () => provider.stop(),
  };
}

async function crmWorld(name: string, lists: boolean): Promise<FaultWorld> {
  const crm = await startLocalCrm({ lists });
  return keysWorld(
    crm,
    httpTemplate({
      name,
      baseUrl: crm.url,
      auth: { as: "bearer" },
      manager: "self",
      create: { path: "/keys", body: { name: "{{marker}}" }, status: [201], value: "/key", ref: "/id" },
      ...(lists && { find: { path: "/keys", items: "/keys", ref: "/id", marker: "/name" } }),
      test: { path: "/me", account: "/account" },
      retire: { path: "/keys/{{ref}}" },
      limit: [409],
    }),
  );
}

async function oauthWorld(name: string): Promise<FaultWorld> {
  const oauth = await startLocalOAuth({ leewaySeconds: 60 });
  const { clientId, clientSecret } = oauth.addClient();
  const { accessToken, refreshToken, scope } = oauth.connect({ clientId });
  const outbound = createOutbound({ allow: [new URL(oauth.url).host] });
  return {
    driver: createOauth2Driver({
      name,
      tokenEndpoint: `${oauth.url}/oauth/token`,
      testUrl: `${oauth.url}/me`,
      grant: "refresh-token",
    }),
    settings: {},
    current: JSON.stringify({ accessToken, refreshToken, scope }),
    manager: JSON.stringify({ clientId, clientSecret }),
    fetch: (url, request) => outbound.fetch(url, request),
    // Tokens have no limit and no names, and are not tested before they are stored.
    faults: httpFaults(oauth).filter(({ name: of }) => !Object.hasOwn(untested, of)),
    live: async () => [],
    accepts: async (text) => {
      const { accessToken: token } = OAuthTokens.parse(JSON.parse(text));
      return (await globalThis.fetch(`${oauth.url}/me`, { headers: { authorization: `Bearer ${token}` } }))
        .ok;
    },
    settled: () => oauth.settled(),
    stop: () => oauth.stop(),
  };
}

/** Two roles of their own, on the server of the tests. */
async function postgresWorld(superuser: postgres.Sql): Promise<FaultWorld> {
  const id = randomBytes(4).toString("hex");
  const [one, two, admin] = [`one_${id}`, `two_${id}`, `admin_${id}`];
  const [first, managing] = ["fake-first", "fake-managing"];
  await superuser.unsafe(`
    create role ${one} login password '${scramVerifier(first)}';
    create role ${two} login;
    create role ${admin} login createrole password '${scramVerifier(managing)}';
    grant ${one}, ${two} to ${admin} with admin option, inherit false, set false;`);
  const [server] = await superuser`select current_setting('port')::int as port`;
  const proxy = await startPostgresProxy(Number(server?.["port"]));
  const { port } = proxy;
  const login = (user: string, password: string) =>
    JSON.stringify({ host: "127.0.0.1", port, database: "postgres", user, password });
  const host = { host: "127.0.0.1", port, isEncrypted: false };
  const live = async () => {
    const roles = await superuser<{ rolname: string }[]>`
      select rolname from pg_authid where rolname in (${one}, ${two}) and rolpassword is not null
        and coalesce(rolvaliduntil > now(), true) order by rolname`;
    return roles.map(({ rolname }) => rolname);
  };
  return {
    driver: createPostgresRoleDriver({ hosts: [host], ownDatabases: [] }),
    settings: { roles: [one, two] },
    current: login(one, first),
    currentRef: one,
    manager: login(admin, managing),
    fetch: () => Promise.reject(new Error("Nothing is asked over HTTP.")),
    faults: postgresWays.map((way) => ({ name: nameOf(way), arm: () => proxy.faults[way](1) })),
    live,
    accepts: async (text) => (await live()).includes(PostgresLogin.parse(JSON.parse(text)).user),
    settled: () => Promise.resolve(),
    stop: async () => {
      await proxy.stop();
      await superuser.unsafe(`drop role ${one}, ${two}, ${admin}`);
    },
  };
}

/** Each driver that asks a provider, with the steps in which it does; `further` ones are done alike for other drivers. */
export const subjects: readonly {
  readonly driver: string;
  readonly steps: readonly string[];
  readonly further: readonly string[];
  readonly open: (superuser: postgres.Sql) => Promise<FaultWorld>;
}[] = [
  {
    driver: "sendgrid",
    steps: ["find", "create", "test", "watch", "retire", "confirm", "sweep"],
    further: [],
    open: async () => {
      const sendgrid = await startLocalSendgrid();
      return keysWorld(sendgrid, createSendgridDriver(sendgrid.url));
    },
  },
  {
    driver: "httpTemplate",
    steps: [],
    further: ["find", "create", "retire", "test", "watch", "confirm", "sweep"],
    open: () => crmWorld("crm", true),
  },
  {
    driver: "httpTemplate without a list",
    steps: ["create"],
    further: ["retire"],
    open: () => crmWorld("crm", false),
  },
  {
    driver: "createPostgresRoleDriver",
    steps: ["create", "test", "retire", "confirm"],
    further: ["watch"],
    open: postgresWorld,
  },
  { driver: "createOauth2Driver", steps: ["create"], further: [], open: () => oauthWorld("oauth") },
];
