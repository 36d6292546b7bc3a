import { TRPCError } from "@trpc/server";
import { beforeAll, describe, expect, test } from "vitest";
import { wire } from "@repo/catalog";
import type { NewApiKey } from "@repo/catalog";
import { makeCredential } from "../companies/credential.ts";
import { newRequest } from "../testing/approvals.ts";
import { passkeyResponse } from "../testing/accounts.ts";
import { newExport } from "../testing/exports.ts";
import { codeOf, createFixture, operator, product, silentUrl } from "../testing/fixture.ts";
import { newRegion } from "../testing/regions.ts";
import { inProcessFetch } from "./handler.ts";
import { plainPath } from "./plain-door.ts";
import { appRouter, createCaller } from "./router.ts";
import { serviceProcedures } from "./service-procedures.ts";
import { createCallerContext, publicError } from "./trpc.ts";

/** Every actor calls every procedure, and most calls are denied or sensitive. */
const everythingIsTried = {
  failedCredentialsPerMinute: 10_000,
  refusalsPerMinute: 10_000,
  sensitiveCallsPerMinute: 10_000,
};

const fixture = await createFixture(undefined, everythingIsTried);
const { secrets, superuser } = fixture;
const send = inProcessFetch(secrets);

/** Field values that belong to the actors' own company, to another one, or to none. */
interface Place {
  readonly company: string;
  readonly userId: string;
  readonly apiKeyId: string;
  readonly cursor: string;
  readonly invitationId: string;
  readonly endpointId: string;
  readonly deliveryId: string;
  readonly exportId: string;
}
/** Fields that refer to something with an owner. */
const references = {
  company: "company",
  companies: "company",
  subdomain: "company",
  userId: "userId",
  id: "apiKeyId",
  cursor: "cursor",
  invitation: "invitationId",
  endpoint: "endpointId",
  delivery: "deliveryId",
  export: "exportId",
} as const;
type Reference = keyof typeof references;
const isReference = (field: string): field is Reference => Object.hasOwn(references, field);

/** The actor `plain` is `service`, in plain JSON. */
const everybody = "owner admin member auditor service plain narrow exporter platform operator job";
const people = "owner admin member auditor";
const programs = "service plain platform job";
const writers = `owner admin member ${programs}`;
const insiders = "owner admin operator";
/** Operators have the platform's endpoints, and none of a company's. */
const managers = "owner admin";
const rotators = "owner admin operator";

interface Row {
  /** The actors that pass every permission check, whatever the result of the call. */
  readonly may: string;
  /** The actors that get NOT_FOUND: the target is outside what they may know of. */
  readonly unseen?: string;
  readonly input?: (place: Place) => Readonly<Record<string, unknown>>;
  /** Makes the call possible again. */
  readonly before?: () => Promise<unknown>;
  /** Undoes what the call did to the others. */
  readonly after?: () => Promise<unknown>;
  /** Fields that are no reference here: an actor with the permission has it for everything. */
  readonly everywhere?: string;
}

const inAnHour = () => new Date(Date.now() + 3_600_000);
const newKey = { name: "made", verbs: ["use"], secretKeys: ["*"] } as const;
const invite = async (company: string) => {
  const email = `${crypto.randomUUID()}@example.com`;
  return (await secrets.invitations.create(operator, company, { email, role: "member" })).id;
};
const inviteAgain = async () => {
  mine = { ...mine, invitationId: await invite(mine.company) };
};
/** An endpoint of a company, with the delivery of its test. */
const hook = async (company: string) => {
  const owner = await fixture.person(company, "owner");
  const asked = { company, url: silentUrl, description: "", perSecond: 1 };
  const { endpoint } = await secrets.webhooks.create(owner, asked);
  const [delivery] = await secrets.webhooks.deliveries.list(owner, {
    company,
    endpoint: endpoint.id,
    limit: 1,
  });
  return { endpointId: endpoint.id, deliveryId: delivery?.id ?? "" };
};
const removable = async () => {
  const { secrets: list } = await secrets.company(mine.company, product).list();
  if (list.some(({ secretKey }) => secretKey === "CUSTOM_R"))
    await secrets.company(mine.company, product).remove("CUSTOM_R");
};

const ownKey = fixture.kms.addKey();

let added: Promise<unknown> | undefined;
const addRegionOnce = () =>
  (added ??= Promise.all(["gone", "known"].map((name) => secrets.regions.add(operator, newRegion(name)))));

/** The permissions. A procedure without an entry fails the test. */
const table: Readonly<Record<string, Row>> = {
  "catalog.describe": { may: everybody },
  "me.get": { may: people },
  "me.active": { may: people },
  "me.setName": { may: people, input: () => ({ name: "Test" }) },
  "me.setPassword": { may: people, input: () => ({ password: "a fake password" }) },
  "me.sessions.list": { may: people },
  "me.sessions.end": { may: people, input: () => ({ sessionId: "none" }) },
  "me.sessions.endOthers": { may: people },
  "me.totp.begin": { may: people },
  "me.totp.remove": { may: people },
  "me.totp.finish": { may: people, input: () => ({ code: "000000" }) },
  "me.passkeys.list": { may: people },
  "me.passkeys.begin": { may: people },
  "me.passkeys.finish": { may: people, input: () => ({ name: "Laptop", response: passkeyResponse }) },
  "me.passkeys.rename": { may: "", unseen: people, input: () => ({ id: "none", name: "Laptop" }) },
  "me.passkeys.remove": { may: "", unseen: people, input: () => ({ id: "none" }) },
  "me.backupCodes.renew": { may: people },
  "secrets.list": { may: everybody, input: ({ company }) => ({ company }) },
  "secrets.removed": { may: everybody, input: ({ company }) => ({ company }) },
  "secrets.read": {
    may: programs,
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }),
  },
  "secrets.reveal": {
    may: "owner admin",
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A", purpose: "incident" }),
  },
  "secrets.search": { may: insiders, input: ({ company }) => ({ company, value: "fake_mine_0001" }) },
  "secrets.write": {
    may: `owner admin member ${programs}`,
    unseen: "narrow",
    input: ({ company }) => ({ company, secretKey: "CUSTOM_W", value: "fake_written_0001" }),
  },
  "secrets.generate": {
    may: `owner admin member ${programs}`,
    unseen: "narrow",
    input: ({ company }) => ({ company, secretKey: "WEBHOOK_SIGNING_SECRET" }),
  },
  "secrets.remove": {
    may: `owner admin ${programs}`,
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A", expectedVersion: 999 }),
  },
  "secrets.restore": {
    may: `owner admin ${programs}`,
    unseen: "narrow",
    input: ({ company }) => ({ company, secretKey: "CUSTOM_R" }),
    before: removable,
  },
  "secrets.planImport": {
    may: `owner admin member ${programs}`,
    input: ({ company }) => ({ company, entries: [{ secretKey: "CUSTOM_A", text: "fake_a_0001", line: 1 }] }),
  },
  "secrets.import": {
    may: `owner admin member ${programs}`,
    input: ({ company }) => ({
      company,
      entries: [{ secretKey: "CUSTOM_I", text: "fake_i_0001", line: 1 }],
      expected: [{ secretKey: "CUSTOM_I", version: 0 }],
    }),
  },
  "secrets.export": {
    may: "owner admin exporter",
    input: ({ company }) => ({ company, format: "env", purpose: "hand-over" }),
  },
  "exports.list": { may: `${insiders} auditor`, input: ({ company }) => ({ company }) },
  "exports.receipt": {
    may: `${insiders} auditor`,
    input: ({ company, exportId }) => ({ company, export: exportId }),
  },
  "secrets.check": {
    may: `owner admin member ${programs}`,
    unseen: "narrow",
    input: ({ company }) => ({ company, secretKey: "CUSTOM_C" }),
  },
  "secrets.capabilities": { may: everybody, input: ({ company }) => ({ company }) },
  "secrets.history": { may: everybody, input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }) },
  "secrets.readMany": {
    may: programs,
    input: ({ company }) => ({ company, secretKeys: ["CUSTOM_A", "CUSTOM_NONE"] }),
  },
  "secrets.readActive": { may: programs, input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }) },
  "secrets.reportOutcome": {
    may: programs,
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A", version: 1, result: "accepted" }),
  },
  "secrets.writeMany": {
    may: writers,
    input: ({ company }) => ({ company, writes: [{ secretKey: "CUSTOM_W", value: "fake_written_0002" }] }),
  },
  "secrets.stage": {
    may: writers,
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A", value: "fake_staged_0001", replace: true }),
  },
  "secrets.promote": { may: writers, input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }) },
  "secrets.discard": { may: writers, input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }) },
  "secrets.rollback": {
    may: writers,
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A", toVersion: 1 }),
  },
  "secrets.setExpiry": {
    may: writers,
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A", expiresAt: inAnHour() }),
  },
  "secrets.purge": {
    may: `owner admin ${programs}`,
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }),
  },
  "companies.stamp": { may: everybody, input: ({ company }) => ({ company }) },
  "companies.settings": { may: everybody, input: ({ company }) => ({ company }) },
  "companies.list": { may: "operator" },
  "companies.create": {
    may: "operator",
    input: () => ({ subdomain: `made-${Math.random().toString(36).slice(2)}`, secretStore: "database" }),
    everywhere: "subdomain",
  },
  "companies.rename": {
    may: "operator",
    input: ({ company }) => ({ company, subdomain: company }),
    everywhere: "subdomain",
  },
  "companies.setRecovery": {
    may: "operator",
    input: ({ company }) => ({ company, days: 60 }),
  },
  "companies.get": { may: "operator", input: ({ company }) => ({ company }) },
  // Neither has a folder in Infisical to delete, and the keys of an absent company are not destroyed.
  "companies.shred": { may: "operator", input: () => ({ company: doomed, backupsKeptDays: 30 }) },
  "companies.receipt": { may: "operator", input: () => ({ company: doomed }), before: shredDoomed },
  "companies.delete": {
    may: "operator",
    input: () => ({ company: leaving, afterDays: 30, backupsKeptDays: 30 }),
    before: keepLeaving,
  },
  "companies.keep": { may: "operator", input: () => ({ company: leaving }), before: scheduleLeaving },
  "companies.deletion": {
    may: "operator",
    input: () => ({ company: leaving }),
    before: scheduleLeaving,
  },
  "operators.list": { may: "operator" },
  "regions.identity": { may: "operator" },
  "regions.list": { may: "operator" },
  "regions.verify": { may: "operator", input: () => ({}) },
  "regions.status": { may: "operator" },
  "regions.receipts": { may: "operator" },
  "regions.add": { may: "operator", input: () => newRegion("us") },
  "regions.remove": { may: "operator", input: () => ({ region: "gone" }), before: addRegionOnce },
  "approvals.list": { may: "operator" },
  "approvals.give": { may: "operator", input: () => ({ approval }), before: askForApproval },
  "approvals.refuse": { may: "operator", input: () => ({ approval }), before: askForApproval },
  "companies.suspend": {
    may: "operator",
    input: ({ company }) => ({ company }),
    after: () => secrets.suspension.resume(operator, mine.company),
  },
  "companies.resume": { may: "operator", input: ({ company }) => ({ company }) },
  "companies.move": {
    may: "operator",
    input: ({ company }) => ({ company, to: "known" }),
    before: addRegionOnce,
  },
  "companies.takeOver": { may: "operator", input: ({ company }) => ({ company, from: "known" }) },
  "companies.leave": { may: "operator", input: ({ company }) => ({ company }) },
  "companies.regions.list": { may: "operator", input: ({ company }) => ({ company }) },
  "companies.regions.add": {
    may: "operator",
    input: ({ company }) => ({ company, region: "known" }),
    before: addRegionOnce,
  },
  "companies.regions.remove": { may: "operator", input: ({ company }) => ({ company, region: "known" }) },
  "companies.apiKeys.list": { may: insiders, input: ({ company }) => ({ company }) },
  "companies.apiKeys.create": {
    may: insiders,
    input: ({ company }) => ({ ...newKey, companies: [company], platform: false, expiresAt: inAnHour() }),
  },
  "companies.apiKeys.rotate": {
    may: insiders,
    input: ({ company, apiKeyId }) => ({ company, id: apiKeyId, graceSeconds: 3600 }),
  },
  "companies.apiKeys.revoke": {
    may: insiders,
    input: ({ company, apiKeyId }) => ({ company, id: apiKeyId }),
  },
  "companies.members.list": { may: insiders, input: ({ company }) => ({ company }) },
  "companies.members.add": {
    may: insiders,
    input: ({ company }) => ({
      company,
      email: `${crypto.randomUUID()}@example.com`,
      name: "Added",
      role: "auditor",
    }),
  },
  "invitations.list": { may: insiders, input: ({ company }) => ({ company }) },
  "invitations.create": {
    may: insiders,
    input: ({ company }) => ({ company, email: `${crypto.randomUUID()}@example.com`, role: "auditor" }),
  },
  "invitations.resend": {
    may: insiders,
    input: ({ company, invitationId }) => ({ company, invitation: invitationId }),
    before: inviteAgain,
  },
  "invitations.revoke": {
    may: insiders,
    input: ({ company, invitationId }) => ({ company, invitation: invitationId }),
    before: inviteAgain,
  },
  "companies.members.change": {
    may: insiders,
    input: ({ company, userId }) => ({ company, userId, role: "auditor" }),
  },
  "companies.members.remove": {
    may: insiders,
    input: ({ company, userId }) => ({ company, userId }),
    before: async () => {
      const there = (await secrets.members.list(operator, mine.company)).some(
        ({ userId }) => userId === mine.userId,
      );
      if (!there)
        await superuser`insert into memberships (company_id, user_id, role, name, revision, mac_key_version, mac)
          select id, ${mine.userId}, 'auditor', 'Back', 1, 1, '' from companies where subdomain = ${mine.company}`;
    },
  },
  "companies.externalKey": { may: rotators, input: ({ company }) => ({ company }) },
  "companies.setExternalKey": {
    may: "owner operator",
    input: ({ company }) => ({ company, key: ownKey.arn }),
  },
  "companies.removeExternalKey": { may: "owner", input: ({ company }) => ({ company }) },
  "companies.setSecondFactor": {
    may: insiders,
    input: ({ company }) => ({ company, required: false }),
  },
  "companies.members.endSessions": {
    may: insiders,
    input: ({ company, userId }) => ({ company, userId }),
  },
  "users.list": { may: "operator", input: () => ({}) },
  "users.disable": { may: "operator", input: ({ userId }) => ({ userId }), everywhere: "userId" },
  "users.endSessions": { may: "operator", input: ({ userId }) => ({ userId }), everywhere: "userId" },
  "users.resetSecondFactor": { may: "operator", input: ({ userId }) => ({ userId }), everywhere: "userId" },
  "users.enable": { may: "operator", input: ({ userId }) => ({ userId }), everywhere: "userId" },
  "keys.status": { may: "operator" },
  "keys.backups": { may: "operator" },
  "keys.rotate": { may: "operator" },
  "keys.rotateCompany": { may: "operator", input: ({ company }) => ({ company }) },
  "keys.report": { may: "operator", input: () => ({}) },
  "keys.verifyReport": { may: "operator", input: () => ({ report: "x", mac: "x" }) },
  "keys.destroy": { may: "operator", input: () => ({ version: 1 }) },
  "runs.list": { may: `${people} operator`, input: ({ company }) => ({ company, limit: 1 }) },
  "migrations.plan": { may: "operator", input: ({ company }) => ({ companies: [company] }) },
  "migrations.copy": { may: "operator", input: ({ company }) => ({ companies: [company] }) },
  "migrations.verify": { may: "operator", input: ({ company }) => ({ companies: [company] }) },
  "migrations.switch": { may: "operator", input: ({ company }) => ({ companies: [company] }) },
  "migrations.rollback": { may: "operator", input: ({ company }) => ({ companies: [company] }) },
  "migrations.cleanup": { may: "operator", input: ({ company }) => ({ companies: [company], folders: 1 }) },
  "migrations.mirror": { may: "operator", input: ({ company }) => ({ companies: [company], isOn: false }) },
  "migrations.companies": { may: "operator", input: () => ({ run: migration }) },
  "migrations.status": { may: "operator", input: ({ company }) => ({ company }) },
  "migrations.report": { may: "operator", input: () => ({ run: migration }) },
  "runs.get": { may: "operator", input: () => ({ run }) },
  "runs.pause": { may: "operator", input: () => ({ run }) },
  "runs.resume": { may: "operator", input: () => ({ run }) },
  "runs.cancel": { may: "operator", input: () => ({ run }) },
  "system.health": { may: "operator" },
  "rotation.policies": { may: `${people} operator`, input: ({ company }) => ({ company }) },
  "rotation.setPolicy": {
    may: rotators,
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A", driver: "generated" }),
  },
  "rotation.pause": { may: rotators, input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }) },
  "rotation.resume": { may: rotators, input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }) },
  "rotation.rotate": { may: rotators, input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }) },
  "rotation.runs": { may: `${people} operator`, input: ({ company }) => ({ company }) },
  "rotation.run": { may: `${people} operator`, input: ({ company }) => ({ company, run: rotation }) },
  "rotation.rotateCompromised": { may: rotators, input: ({ company }) => ({ company }) },
  "rotation.supply": {
    may: `owner admin member ${programs}`,
    input: ({ company }) => ({ company, run: rotation, value: "fake_supplied_0001" }),
  },
  "rotation.confirm": { may: rotators, input: ({ company }) => ({ company, run: rotation }) },
  "rotation.endOrphan": {
    may: rotators,
    input: ({ company }) => ({ company, secretKey: "CUSTOM_A", marker: "ts-0123456789ab-1" }),
  },
  "rotation.fallBack": { may: rotators, input: ({ company }) => ({ company, run: rotation }) },
  "rotation.abort": { may: rotators, input: ({ company }) => ({ company, run: rotation }) },
  // A rotation of it is under way.
  "rotation.removePolicy": { may: rotators, input: ({ company }) => ({ company, secretKey: "CUSTOM_A" }) },
  "webhooks.list": { may: managers, input: ({ company }) => ({ company }) },
  "webhooks.eventTypes": { may: managers, input: ({ company }) => ({ company }) },
  "webhooks.create": { may: managers, input: ({ company }) => ({ company, url: silentUrl }) },
  "webhooks.update": {
    may: managers,
    input: ({ company, endpointId }) => ({ company, endpoint: endpointId, description: "Another" }),
  },
  "webhooks.roll": {
    may: managers,
    input: ({ company, endpointId }) => ({ company, endpoint: endpointId, force: true }),
  },
  "webhooks.pause": {
    may: managers,
    input: ({ company, endpointId }) => ({ company, endpoint: endpointId }),
  },
  "webhooks.resume": {
    may: managers,
    input: ({ company, endpointId }) => ({ company, endpoint: endpointId }),
  },
  "webhooks.test": {
    may: managers,
    input: ({ company, endpointId }) => ({ company, endpoint: endpointId }),
    before: () => superuser`
      delete from rate_limits where key in (select encode(sha256(convert_to('webhook-test ' || id, 'UTF8')), 'hex') from companies)`,
  },
  "webhooks.deliveries": {
    may: managers,
    input: ({ company, endpointId }) => ({ company, endpoint: endpointId }),
  },
  "webhooks.replay": {
    may: managers,
    input: ({ company, deliveryId }) => ({ company, delivery: deliveryId }),
    before: () =>
      superuser`update webhook_deliveries set state = 'dead', finished_at = now(), lease_until = null where id = ${mine.deliveryId}`,
  },
  "webhooks.remove": {
    may: managers,
    input: ({ company, endpointId }) => ({ company, endpoint: endpointId }),
    before: async () => {
      const there = await superuser`select 1 from webhook_endpoints where id = ${mine.endpointId}`;
      if (there.length === 0) mine = { ...mine, ...(await hook(mine.company)) };
    },
  },
  "audit.list": { may: `${insiders} auditor`, input: ({ company }) => ({ company, limit: 1 }) },
  "audit.export": {
    may: `${insiders} auditor`,
    input: ({ company }) => ({ company, from: new Date(0), to: new Date() }),
  },
  "audit.summary": {
    may: `${insiders} auditor`,
    input: ({ company }) => ({ company, from: new Date(0), to: new Date(1), by: "day" }),
  },
  "audit.proof": { may: `${insiders} auditor`, input: ({ company }) => ({ company }) },
  "audit.verify": { may: "operator" },
  "audit.publicKeys": { may: "operator" },
};
/** Optional fields, which are therefore in no input above. */
const optional: Readonly<Record<string, readonly Reference[]>> = {
  "audit.list": ["cursor"],
  "audit.export": ["cursor"],
};

interface Sender {
  readonly name: string;
  call(path: string, type: string, input: unknown): Promise<string>;
}

/** A call over HTTP. @returns status and body */
function overHttp(name: string, headers: Readonly<Record<string, string>>): Sender {
  return {
    name,
    call: async (path, type, input) => {
      const body = input === undefined ? undefined : JSON.stringify(wire.input.serialize(input));
      const query = body === undefined ? "" : `?input=${encodeURIComponent(body)}`;
      const response =
        type === "query"
          ? await send(`http://in-process/trpc/${path}${query}`, { headers: { ...headers } })
          : await send(`http://in-process/trpc/${path}`, {
              method: "POST",
              headers: { ...headers, "content-type": "application/json" },
              ...(body === undefined ? {} : { body }),
            });
      return `${response.status} ${await response.text()}`;
    },
  };
}

/** A call in plain JSON. @returns status and body */
function inPlainJson(name: string, headers: Readonly<Record<string, string>>): Sender {
  return {
    name,
    call: async (path, _, input) => {
      const response = await send(`http://in-process${plainPath}${path}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify(input ?? {}),
      });
      return `${response.status} ${await response.text()}`;
    },
  };
}

/** An in-process call by product code. */
const inProcess: Sender = {
  name: "job",
  call: async (path, _, input) => {
    const caller = createCaller(createCallerContext(secrets, product));
    const procedure: unknown = path
      .split(".")
      .reduce<unknown>((node, part) => Reflect.get(Object(node), part), caller);
    if (typeof procedure !== "function") throw new Error(`${path} is not callable`);
    try {
      return `200 ${JSON.stringify(await procedure(input))}`;
    } catch (error) {
      if (!(error instanceof TRPCError)) throw error;
      const { code, message } = publicError(error);
      return `400 {"reason":"${code}"} ${message}`;
    }
  },
};

/** A company that operators shred, again and again. */
const doomed = "doomed";
async function shredDoomed(): Promise<void> {
  await secrets.shredding.shred(operator, doomed, { backupsKeptDays: 30 });
}

const leaving = "leaving";
/** Each does nothing where it is so already. */
async function scheduleLeaving(): Promise<void> {
  await codeOf(secrets.deletions.schedule(operator, leaving, { afterDays: 30, backupsKeptDays: 30 }));
}
async function keepLeaving(): Promise<void> {
  await codeOf(secrets.deletions.keep(operator, leaving));
}

let approval = "";
async function askForApproval(): Promise<void> {
  approval = await newRequest(fixture);
}

let mine: Place;
let theirs: Place;
let run = "";
let migration: string;
let rotation: string;
const unknown: Place = {
  company: "nobody-here",
  userId: "0198c0de-0000-7000-8000-000000000001",
  apiKeyId: "0198c0de-0000-7000-8000-000000000002",
  cursor: "bm9ib2R5cyBjdXJzb3IsIGFuZCBubyBNQUMgb2Ygb3Vycw",
  invitationId: "0198c0de-0000-7000-8000-000000000003",
  endpointId: "0198c0de-0000-4000-8000-000000000004",
  deliveryId: "0198c0de-0000-4000-8000-000000000005",
  exportId: "0198c0de-0000-4000-8000-000000000006",
};
const senders: Sender[] = [];
const shutOut: Sender[] = [];

async function populate(): Promise<Place> {
  const company = await fixture.company("database");
  await secrets.company(company, product).set("CUSTOM_A", "fake_a_0001");
  await secrets.company(company, product).set("CUSTOM_R", "fake_r_0001");
  const { userId } = await fixture.person(company, "auditor");
  const { description } = await apiKey([company], {});
  await secrets.audit.list(operator, { company, limit: 1 });
  const { cursor } = await secrets.audit.list(operator, { company, limit: 1 });
  if (cursor === undefined) throw new Error("there is more than one event");
  return {
    company,
    userId,
    apiKeyId: description.id,
    cursor,
    invitationId: await invite(company),
    ...(await hook(company)),
    exportId: await newExport(fixture, company),
  };
}

const apiKey = (companies: string[], narrower: Partial<NewApiKey>) =>
  secrets.apiKeys.create(operator, {
    name: "test",
    companies,
    platform: false,
    verbs: ["describe", "use", "write", "delete"],
    secretKeys: ["*"],
    expiresAt: inAnHour(),
    ...narrower,
  });

beforeAll(async () => {
  [mine, theirs] = [await populate(), await populate()];
  await secrets.companies.create(operator, { subdomain: doomed, secretStore: "database" });
  await secrets.companies.create(operator, { subdomain: leaving, secretStore: "database" });
  await secrets.companyKeyRotation.requestRotation(operator, theirs.company);
  run = (await secrets.runs.list(operator, { limit: 1 }))[0]?.id ?? "";
  const rotated = { company: mine.company, secretKey: "CUSTOM_A" };
  await secrets.rotation.set(operator, { ...rotated, driver: "generated", overlapSeconds: 0 });
  rotation = await secrets.rotation.rotate(operator, { ...rotated, urgent: false });
  await superuser`
    insert into rotation_credentials (company_id, secret_key, marker, run_id, state)
    select id, 'CUSTOM_A', 'ts-0123456789ab-1', gen_random_uuid(), 'orphan' from companies where subdomain = ${mine.company}`;
  const planned = { companies: [mine.company], ratePerMinute: null, before: "switch" } as const;
  migration = await secrets.migrations.begin(operator, { verb: "plan", ...planned });
  const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });
  for (const role of ["owner", "admin", "member", "auditor"] as const) {
    const { userId } = await fixture.person(mine.company, role);
    const { session } = fixture.accounts.start(userId);
    senders.push(overHttp(role, { "x-test-session": session.id }));
  }
  const keys = {
    service: await apiKey([mine.company], {}),
    narrow: await apiKey([mine.company], { verbs: ["describe"], secretKeys: ["CUSTOM_A"] }),
    exporter: await apiKey([mine.company], { verbs: ["describe", "export"] }),
    platform: await apiKey([mine.company], { platform: true }),
  };
  for (const [name, { apiKey: credential }] of Object.entries(keys)) {
    senders.push(overHttp(name, bearer(credential)));
  }
  senders.push(inPlainJson("plain", bearer(keys.service.apiKey)));
  const { token } = await secrets.operators.create(product, { name: "Ada", expiresAt: inAnHour() });
  senders.push(overHttp("operator", bearer(token)), inProcess);

  const revoked = await apiKey([mine.company], {});
  await secrets.apiKeys.revoke(operator, mine.company, revoked.description.id);
  const gone = await fixture.person(mine.company, "owner");
  await secrets.users.disable(operator, gone.userId);
  shutOut.push(
    overHttp("nobody", {}),
    overHttp("revoked", bearer(revoked.apiKey)),
    overHttp("unknown", bearer(makeCredential("tsk").text)),
    overHttp("disabled", { "x-test-user": gone.userId }),
  );
});

/** Everything that the database stores of the other company, and its number of events. */
async function stateOfTheirs(): Promise<Record<string, string>> {
  const state: Record<string, string> = {};
  const [company] =
    await superuser`select id, c::text as row from companies c where subdomain = ${theirs.company}`;
  const tables = await superuser`select table_name as name from information_schema.columns
    where table_schema = 'public' and column_name = 'company_id' order by 1`;
  for (const { name } of tables) {
    const [row] =
      await superuser`select count(*) || ' ' || coalesce(md5(string_agg(t::text, '' order by t::text)), '') as state
      from ${superuser(String(name))} t where company_id = ${company?.["id"]}`;
    state[String(name)] = String(row?.["state"]);
  }
  const [user] = await superuser`select u::text as row from users u where id = ${theirs.userId}`;
  return { ...state, company: String(company?.["row"]), user: String(user?.["row"]) };
}

/** They need no credential, and have tests of their own. */
const forVisitors: ReadonlySet<string> = new Set(["invitations.look", "invitations.accept"]);
const typesOf: ReadonlyMap<string, string> = new Map(
  Object.entries(appRouter._def.procedures as unknown as Record<string, { _def: { type: string } }>).map(
    ([path, procedure]) => [path, procedure._def.type],
  ),
);
const call = (sender: Sender, path: string, input: unknown) =>
  sender.call(path, typesOf.get(path) ?? "", input);

/** For what does not depend on the role: of each kind of caller one, and of people both ends. */
const kinds: ReadonlySet<string> = new Set(["owner", "auditor", "service", "plain", "operator", "job"]);

const reasonOf = (answer: string) => /^[45].*?"reason":"([A-Z_]+)"/s.exec(answer)?.[1] ?? "answered";
const refusals = new Set(["FORBIDDEN", "NOT_FOUND", "UNAUTHENTICATED"]);
const includes = (names: string | undefined, name: string) => names?.split(" ").includes(name) === true;

test("every procedure has an entry in the permission table", () => {
  const listed = [...Object.keys(table), ...forVisitors];
  expect(listed.toSorted()).toEqual([...typesOf.keys()].toSorted());
});

test("the procedures that an API key may call are in the OpenAPI document and at /api/v1, and no others", () => {
  const keys = ["service", "narrow", "exporter", "platform"];
  const listed = Object.entries(table).filter(([, { may }]) => keys.some((key) => includes(may, key)));
  expect([...serviceProcedures.keys()].toSorted()).toEqual(listed.map(([path]) => path).toSorted());
});

describe("calls in the actor's own company", () => {
  test.each(Object.entries(table))(
    "%s is permitted to the actors in the table, and denied to all others",
    async (path, row) => {
      const outcomes: Record<string, string> = {};
      const expected: Record<string, string> = {};
      for (const sender of senders) {
        await row.before?.();
        const reason = reasonOf(await call(sender, path, row.input?.(mine)));
        await row.after?.();
        outcomes[sender.name] = refusals.has(reason) ? reason : "may";
        const isUnseen =
          includes(row.unseen, sender.name) || (sender.name === "plain" && !serviceProcedures.has(path));
        const otherwise = isUnseen ? "NOT_FOUND" : "FORBIDDEN";
        expected[sender.name] = includes(row.may, sender.name) ? "may" : otherwise;
      }
      expect(outcomes).toEqual(expected);
      const answers = await Promise.all(shutOut.map((sender) => call(sender, path, row.input?.(mine))));
      expect(answers.map(reasonOf)).toEqual(shutOut.map(() => "UNAUTHENTICATED"));
      expect(new Set(answers).size).toBe(1);
    },
  );
});

describe("calls with references to another company, to nothing, or to a deleted object", () => {
  const inputOf = (path: string, filled: Place): Record<string, unknown> => ({
    ...table[path]?.input?.(filled),
    ...Object.fromEntries((optional[path] ?? []).map((field) => [field, filled[references[field]]])),
  });
  const fieldsOf = (path: string): Reference[] =>
    Object.keys(inputOf(path, unknown))
      .filter(isReference)
      .filter((field) => !includes(table[path]?.everywhere, field));
  const paths = Object.keys(table).filter((path) => fieldsOf(path).length > 0);
  const junk = ["", "*", "%", "_", "null", null, [], ["*"], {}];

  test(`${paths.length} procedures give every actor the same bytes for a foreign object as for an absent one, and change nothing`, async () => {
    const before = await stateOfTheirs();
    const wrong: string[] = [];
    let calls = 0;
    const ask = (sender: Sender, path: string, input: unknown) => {
      calls += 1;
      return call(sender, path, input);
    };
    const checkField = async (sender: Sender, path: string, field: Reference): Promise<void> => {
      const note = (what: unknown, answer: string) =>
        wrong.push(`${sender.name} ${path} ${field} ${JSON.stringify(what)}: ${answer}`);
      const own = inputOf(path, mine);
      // A cursor is a position in one company's audit log, and is in no input of its own company.
      if (field !== "cursor") for (const name of optional[path] ?? []) delete own[name];
      const filled = (place: Place) => {
        const value = place[references[field]];
        return { ...own, [field]: field === "companies" ? [value] : value };
      };
      // Operators and jobs of the product may enter every company, so none is foreign to them.
      const entersAll = sender.name === "operator" || sender.name === "job";
      if (!entersAll || references[field] !== "company") {
        const [foreign, random] = [
          await ask(sender, path, filled(theirs)),
          await ask(sender, path, filled(unknown)),
        ];
        if (foreign !== random || reasonOf(foreign) === "answered") note(theirs[references[field]], foreign);
      }
      // An operator may migrate any companies, and a migration has rows of each.
      const isMigration = sender.name === "operator" && path.startsWith("migrations.");
      if (field === "companies" && !isMigration) {
        const mixed = await ask(sender, path, { ...own, companies: [mine.company, theirs.company] });
        const random = await ask(sender, path, { ...own, companies: [mine.company, unknown.company] });
        if (!entersAll && mixed !== random) note("mixed", mixed);
        if (reasonOf(mixed) === "answered") note("mixed", mixed);
      }
      for (const value of kinds.has(sender.name) ? junk : []) {
        const answer = await ask(sender, path, { ...own, [field]: value });
        if (reasonOf(answer) === "answered") note(value, answer);
      }
      const { [field]: _left, ...without } = own;
      if (field === "company") {
        const answer = await ask(sender, path, without);
        if (reasonOf(answer) === "answered" && sender.name !== "operator") note("nothing", answer);
      }
    };
    for (const path of paths) {
      for (const field of fieldsOf(path)) {
        await table[path]?.before?.();
        await Promise.all(senders.map((sender) => checkField(sender, path, field)));
        await table[path]?.after?.();
      }
    }
    expect(wrong).toEqual([]);
    expect(await stateOfTheirs()).toEqual(before);
    const all = senders.length + shutOut.length;
    console.log(
      `${typesOf.size} procedures × ${all} actors; ${paths.length} of them with ids, ${calls} calls with another company's, nobody's or no id`,
    );
  }, 300_000);
});

test("a string that PostgreSQL cannot store is answered with a rule in every field of every procedure, and never as an internal error", async () => {
  const bent = (value: unknown, tail: string): unknown => {
    if (typeof value === "string") return `${value}${tail}`;
    if (Array.isArray(value)) return value.map((each) => bent(each, tail));
    if (value === null || typeof value !== "object" || value instanceof Date) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, bent(each, tail)]));
  };
  const wrong: string[] = [];
  let calls = 0;
  for (const [path, row] of Object.entries(table)) {
    const own = row.input?.(mine) ?? {};
    const fields = { note: "n", requestId: crypto.randomUUID(), ...own };
    for (const [field, value] of Object.entries(fields)) {
      for (const tail of ["\0", "\ud800"]) {
        const input = { ...own, [field]: bent(value, tail) };
        const answers = await Promise.all(
          senders
            .filter(({ name }) => kinds.has(name))
            .map(async (sender) => ({ sender, answer: await call(sender, path, input) })),
        );
        await row.after?.();
        calls += answers.length;
        for (const { sender, answer } of answers) {
          const reason = reasonOf(answer);
          // A call that waits for its turn has tested nothing.
          if (reason === "INTERNAL" || reason === "OVERLOADED")
            wrong.push(`${sender.name} ${path} ${field}: ${answer}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(calls).toBeGreaterThan(1000);
}, 300_000);
