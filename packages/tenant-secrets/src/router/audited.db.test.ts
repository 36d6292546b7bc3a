import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { TRPCError } from "@trpc/server";
import { generateIdentity, identityToRecipient } from "age-encryption";
import type { AuditAction } from "@repo/audit-log";
import type { Caller } from "@repo/catalog";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { passkeyResponse } from "../testing/accounts.ts";
import { newOperator, newRequest } from "../testing/approvals.ts";
import { newExport } from "../testing/exports.ts";
import { createFixture, operator, product, silentUrl, type Person } from "../testing/fixture.ts";
import { claim, newRegion, otherRegion } from "../testing/regions.ts";
import { appRouter, createCaller } from "./router.ts";
import { createCallerContext, createScopeContext, publicError } from "./trpc.ts";

// This file sends hundreds of calls for one caller.
const fixture = await createFixture(undefined, { callsPerSecond: 100_000, sensitiveCallsPerMinute: 100_000 });
const directory = await mkdtemp(path.join(tmpdir(), "tenant-secrets-audited-"));
afterAll(() => rm(directory, { recursive: true }));
const recipient = await identityToRecipient(await generateIdentity());
const secrets = fixture.another({
  checks: { stripe: async () => "accepted", sendgrid: async () => "accepted" },
  backupDestination: { recipients: [recipient], directory },
});

/** A company per test, with two versions of a value and one person per role. */
async function populate() {
  const company = await fixture.company("database");
  const own = secrets.company(company, product);
  await own.set("CUSTOM_A", "fake_a_0001");
  await own.set("CUSTOM_A", "fake_a_0002");
  await own.set("STRIPE_SECRET_KEY", "sk_test_fake_audited_0001");
  const [owner, auditor] = [await fixture.person(company, "owner"), await fixture.person(company, "auditor")];
  const { description } = await secrets.apiKeys.create(operator, { ...newKey(), companies: [company] });
  return { company, own, owner, auditor, apiKeyId: description.id };
}
type Place = Awaited<ReturnType<typeof populate>>;

/** A passkey of a person who has another one, too. */
async function passkeyOf({ userId }: Person): Promise<string | undefined> {
  const { passkeys } = fixture.accounts;
  for (const name of ["Laptop", "Key"])
    await passkeys.finish(userId, { name, response: passkeyResponse, keepSession: "none" });
  return (await passkeys.list(userId))[0]?.id;
}

const inAnHour = () => new Date(Date.now() + 3_600_000);
const newKey = () =>
  ({ name: "made", verbs: ["use"], secretKeys: ["*"], platform: false, expiresAt: inAnHour() }) as const;

/** The permitted caller is the company's owner unless stated otherwise; the denied one is its auditor. */
interface Row {
  readonly action: AuditAction;
  /** The action of a success, if it differs from the procedure's. */
  readonly done?: AuditAction;
  readonly as?: Caller;
  /** The denied caller is in another company, or no person, for procedures that this company's auditor may call. */
  readonly denied?: "stranger" | "program";
  /** Prepares the call. @returns its input */
  readonly input?: (place: Place) => unknown;
}

const rotate = () => secrets.keyRotation.rotate(operator, { backup: async () => "sha256:fake" });
const ofSecret = ({ company }: Place) => ({ company, secretKey: "CUSTOM_A" });
const stage = ({ own }: Place) => own.stage("CUSTOM_A", "fake_staged_0001");

const newInvitation = ({ company }: Pick<Place, "company">) =>
  ({ company, email: `${randomUUID()}@example.com`, role: "member" }) as const;

const answerer = await newOperator(secrets, "answers");
const anotherRequest = async () => ({ approval: await newRequest(fixture) });

/** A company whose deletion is scheduled. */
const leavingCompany = async () => {
  const company = await fixture.company("database");
  await secrets.deletions.schedule(operator, company, { afterDays: 30, backupsKeptDays: 30 });
  return { company };
};

const knownRegion = async () => {
  const { region } = await secrets.regions.add(operator, newRegion(`k-${randomUUID().slice(0, 8)}`));
  return region.region;
};

const table: Readonly<Record<string, Row>> = {
  "me.setName": { action: "account.rename", denied: "program", input: () => ({ name: "Test" }) },
  "me.setPassword": {
    action: "password.change",
    denied: "program",
    input: () => ({ password: "a fake password" }),
  },
  "me.sessions.list": { action: "session.list", denied: "program" },
  "me.sessions.end": { action: "session.end", denied: "program", input: () => ({ sessionId: "none" }) },
  "me.sessions.endOthers": { action: "session.end", denied: "program" },
  "me.totp.begin": { action: "factor.begin", denied: "program" },
  "me.totp.finish": { action: "factor.add", denied: "program", input: () => ({ code: "000000" }) },
  "me.totp.remove": {
    action: "factor.remove",
    denied: "program",
    input: async ({ owner }) => void (await passkeyOf(owner)),
  },
  "me.passkeys.list": { action: "factor.list", denied: "program" },
  "me.passkeys.begin": { action: "factor.begin", denied: "program" },
  "me.passkeys.finish": {
    action: "factor.add",
    denied: "program",
    input: () => ({ name: "Laptop", response: passkeyResponse }),
  },
  "me.passkeys.rename": {
    action: "factor.rename",
    denied: "program",
    input: async ({ owner }) => ({ id: await passkeyOf(owner), name: "Telephone" }),
  },
  "me.passkeys.remove": {
    action: "factor.remove",
    denied: "program",
    input: async ({ owner }) => ({ id: await passkeyOf(owner) }),
  },
  "me.backupCodes.renew": { action: "factor.renew-backup-codes", denied: "program" },
  "secrets.list": { action: "secret.list", denied: "stranger", input: ({ company }) => ({ company }) },
  "secrets.removed": { action: "secret.list", denied: "stranger", input: ({ company }) => ({ company }) },
  "secrets.capabilities": {
    action: "secret.list",
    denied: "stranger",
    input: ({ company }) => ({ company }),
  },
  "secrets.history": { action: "secret.history", denied: "stranger", input: ofSecret },
  "secrets.read": { action: "secret.read", as: product, input: ofSecret },
  "secrets.readMany": {
    action: "secret.read",
    as: product,
    input: ({ company }) => ({ company, secretKeys: ["CUSTOM_A"] }),
  },
  "secrets.readActive": { action: "secret.read", as: product, input: ofSecret },
  "secrets.reveal": {
    action: "secret.reveal",
    input: (place) => ({ ...ofSecret(place), purpose: "incident" }),
  },
  "secrets.search": { action: "secret.search", input: ({ company }) => ({ company, value: "fake_a_0002" }) },
  "secrets.check": {
    action: "secret.check",
    input: ({ company }) => ({ company, secretKey: "STRIPE_SECRET_KEY" }),
  },
  "secrets.reportOutcome": {
    action: "secret.check",
    as: product,
    input: (place) => ({ ...ofSecret(place), version: 2, result: "accepted" }),
  },
  "secrets.write": {
    action: "secret.write",
    input: (place) => ({ ...ofSecret(place), value: "fake_a_0003" }),
  },
  "secrets.writeMany": {
    action: "secret.write",
    input: ({ company }) => ({ company, writes: [{ secretKey: "CUSTOM_A", value: "fake_a_0003" }] }),
  },
  "secrets.generate": {
    action: "secret.write",
    input: ({ company }) => ({ company, secretKey: "WEBHOOK_SIGNING_SECRET" }),
  },
  "secrets.remove": { action: "secret.remove", input: ofSecret },
  "secrets.restore": {
    action: "secret.restore",
    input: async (place) => {
      await place.own.remove("CUSTOM_A");
      return ofSecret(place);
    },
  },
  "secrets.purge": {
    action: "secret.purge",
    input: async (place) => {
      await place.own.remove("CUSTOM_A");
      return ofSecret(place);
    },
  },
  "secrets.planImport": {
    action: "secret.compare",
    input: ({ company }) => ({ company, entries: [{ secretKey: "CUSTOM_A", text: "fake_a_0001", line: 1 }] }),
  },
  "secrets.import": {
    action: "secret.import",
    done: "secret.write",
    input: ({ company }) => ({
      company,
      entries: [{ secretKey: "CUSTOM_I", text: "fake_i_0001", line: 1 }],
      expected: [{ secretKey: "CUSTOM_I", version: 0 }],
    }),
  },
  "secrets.export": {
    action: "secret.export",
    input: ({ company }) => ({ company, format: "env", purpose: "hand-over" }),
  },
  "exports.list": { action: "export.list", denied: "stranger", input: ({ company }) => ({ company }) },
  "exports.receipt": {
    action: "export.receipt",
    denied: "stranger",
    input: async ({ company }) => ({ company, export: await newExport(fixture, company) }),
  },
  "secrets.stage": {
    action: "secret.stage",
    input: (place) => ({ ...ofSecret(place), value: "fake_a_0003" }),
  },
  "secrets.promote": {
    action: "secret.promote",
    input: async (place) => {
      await stage(place);
      return ofSecret(place);
    },
  },
  "secrets.discard": {
    action: "secret.discard",
    input: async (place) => {
      await stage(place);
      return ofSecret(place);
    },
  },
  "secrets.rollback": { action: "secret.rollback", input: (place) => ({ ...ofSecret(place), toVersion: 1 }) },
  "secrets.setExpiry": {
    action: "secret.set-expiry",
    input: (place) => ({ ...ofSecret(place), expiresAt: inAnHour() }),
  },
  "companies.list": { action: "company.list", as: operator },
  "companies.create": {
    action: "company.create",
    as: operator,
    input: () => ({ subdomain: `made-${randomUUID()}`, secretStore: "database" }),
  },
  "companies.rename": {
    action: "company.rename",
    as: operator,
    input: ({ company }) => ({ company, subdomain: `renamed-${company}` }),
  },
  "companies.setRecovery": {
    action: "company.set-recovery",
    as: operator,
    input: ({ company }) => ({ company, days: 60 }),
  },
  "companies.settings": { action: "company.get", denied: "stranger", input: ({ company }) => ({ company }) },
  "companies.get": { action: "company.get", as: operator, input: ({ company }) => ({ company }) },
  "companies.shred": {
    action: "key.shred",
    as: operator,
    input: ({ company }) => ({ company, backupsKeptDays: 30 }),
  },
  "companies.delete": {
    action: "company.schedule-deletion",
    as: operator,
    input: async () => ({
      company: await fixture.company("database"),
      afterDays: 30,
      backupsKeptDays: 30,
    }),
  },
  "companies.keep": { action: "company.keep", as: operator, input: leavingCompany },
  "companies.deletion": { action: "company.get-deletion", as: operator, input: leavingCompany },
  "companies.receipt": {
    action: "key.shred-receipt",
    as: operator,
    input: async ({ company }) => {
      await secrets.shredding.shred(operator, company, { backupsKeptDays: 30 });
      return { company };
    },
  },
  "operators.list": { action: "operator.list", as: operator },
  "regions.identity": { action: "region.identity", as: operator },
  "regions.list": { action: "region.list", as: operator },
  "regions.verify": { action: "region.verify", as: operator, input: () => ({}) },
  "regions.receipts": { action: "region.receipts", as: operator },
  "regions.add": {
    action: "region.add",
    as: operator,
    input: () => newRegion(`a-${randomUUID().slice(0, 8)}`),
  },
  "regions.remove": {
    action: "region.remove",
    as: operator,
    input: async () => {
      const { region } = await secrets.regions.add(operator, newRegion(`r-${randomUUID().slice(0, 8)}`));
      return { region: region.region };
    },
  },
  "approvals.list": { action: "approval.list", as: operator },
  "approvals.give": { action: "approval.give", as: answerer, input: anotherRequest },
  "approvals.refuse": { action: "approval.refuse", as: answerer, input: anotherRequest },
  "companies.suspend": { action: "company.suspend", as: operator, input: ({ company }) => ({ company }) },
  "companies.resume": { action: "company.resume", as: operator, input: ({ company }) => ({ company }) },
  "companies.move": {
    action: "company.begin-move",
    as: operator,
    input: async () => {
      const [company, to] = [await fixture.company("database"), await knownRegion()];
      await secrets.companyRegions.add(operator, company, { region: to });
      await fixture.superuser`insert into region_beats (target_region, home_region, beat_at) values ('default', ${to}, now())`;
      return { company, to };
    },
  },
  "companies.takeOver": {
    action: "company.take-over",
    as: operator,
    input: async () => {
      const [company, from] = [await fixture.company("database"), await knownRegion()];
      await fixture.superuser`update companies set home_region = ${from}, home_epoch = 2 where subdomain = ${company}`;
      await fixture.remacCompanies(fixture.superuser);
      return { company, from };
    },
  },
  "companies.leave": {
    action: "company.leave",
    as: operator,
    input: async () => {
      const [company, by] = [await fixture.company("database"), otherRegion(`o-${randomUUID().slice(0, 8)}`)];
      await secrets.regions.add(operator, by.asked);
      await claim(fixture.superuser, { subdomain: company, by });
      return { company };
    },
  },
  "companies.regions.list": {
    action: "company.list-regions",
    as: operator,
    input: ({ company }) => ({ company }),
  },
  "companies.regions.add": {
    action: "company.add-region",
    as: operator,
    input: async ({ company }) => ({ company, region: await knownRegion() }),
  },
  "companies.regions.remove": {
    action: "company.remove-region",
    as: operator,
    input: ({ company }) => ({ company, region: "us" }),
  },
  "companies.apiKeys.list": { action: "api-key.list", input: ({ company }) => ({ company }) },
  "companies.apiKeys.create": {
    action: "api-key.create",
    input: ({ company }) => ({ ...newKey(), companies: [company] }),
  },
  "companies.apiKeys.rotate": {
    action: "api-key.rotate",
    input: ({ company, apiKeyId }) => ({ company, id: apiKeyId, graceSeconds: 3600 }),
  },
  "companies.apiKeys.revoke": {
    action: "api-key.revoke",
    input: ({ company, apiKeyId }) => ({ company, id: apiKeyId }),
  },
  "companies.members.list": { action: "member.list", input: ({ company }) => ({ company }) },
  "companies.members.add": {
    action: "member.add",
    input: ({ company }) => ({
      company,
      email: `${randomUUID()}@example.com`,
      name: "Added",
      role: "member",
    }),
  },
  "invitations.list": { action: "invitation.list", input: ({ company }) => ({ company }) },
  "invitations.create": { action: "invitation.create", input: newInvitation },
  "invitations.resend": { action: "invitation.create", input: invite },
  "invitations.revoke": { action: "invitation.revoke", input: invite },
  "companies.members.change": {
    action: "member.change",
    input: ({ company, auditor }) => ({ company, userId: auditor.userId, role: "member" }),
  },
  "companies.members.remove": {
    action: "member.remove",
    input: ({ company, auditor }) => ({ company, userId: auditor.userId }),
  },
  "companies.externalKey": { action: "company.external-key", input: ({ company }) => ({ company }) },
  "companies.setExternalKey": {
    action: "company.set-external-key",
    input: ({ company }) => ({ company, key: fixture.kms.addKey().arn }),
  },
  "companies.removeExternalKey": {
    action: "company.remove-external-key",
    input: ({ company }) => ({ company }),
  },
  "companies.setSecondFactor": {
    action: "company.waive-second-factor",
    input: ({ company }) => ({ company, required: false }),
  },
  "companies.members.endSessions": {
    action: "member.end-sessions",
    input: ({ company, auditor }) => {
      fixture.accounts.start(auditor.userId);
      return { company, userId: auditor.userId };
    },
  },
  "users.list": { action: "user.list", as: operator, input: () => ({}) },
  "users.disable": {
    action: "user.disable",
    as: operator,
    input: ({ auditor }) => ({ userId: auditor.userId }),
  },
  "users.endSessions": {
    action: "user.end-sessions",
    as: operator,
    input: ({ auditor }) => ({ userId: auditor.userId }),
  },
  "users.resetSecondFactor": {
    action: "factor.reset",
    as: operator,
    input: ({ auditor }) => ({ userId: auditor.userId }),
  },
  "users.enable": {
    action: "user.enable",
    as: operator,
    input: ({ auditor }) => ({ userId: auditor.userId }),
  },
  "keys.status": { action: "key.status", as: operator },
  "keys.backups": { action: "key.list-backups", as: operator },
  "keys.rotate": { action: "key.rotate", as: operator },
  "keys.rotateCompany": { action: "key.rotate-company", as: operator, input: ({ company }) => ({ company }) },
  "keys.report": { action: "key.report", as: operator, input: () => ({}) },
  "keys.verifyReport": { action: "key.verify-report", as: operator, input: rotate },
  "keys.destroy": {
    action: "key.destroy",
    as: operator,
    input: async () => {
      await rotate();
      const { versions } = await secrets.masterKeys.status(operator);
      return { version: versions.find(({ status }) => status === "retired")?.version };
    },
  },
  "migrations.plan": { action: "migration.plan", as: operator, input: companiesToMigrate },
  "migrations.copy": { action: "migration.copy", as: operator, input: companiesToMigrate },
  "migrations.verify": { action: "migration.verify", as: operator, input: companiesToMigrate },
  "migrations.switch": { action: "migration.switch", as: operator, input: companiesToMigrate },
  "migrations.rollback": { action: "migration.rollback", as: operator, input: companiesToMigrate },
  "migrations.cleanup": {
    action: "migration.cleanup",
    as: operator,
    input: async (place) => {
      await fixture.superuser`insert into company_stores (company_id, left_in, changed_at)
        select id, 'infisical', now() - interval '60 days' from companies where subdomain = ${place.company}`;
      return { ...(await companiesToMigrate(place)), folders: 1 };
    },
  },
  "migrations.mirror": {
    action: "company.mirror",
    as: operator,
    input: ({ company }) => ({ companies: [company], isOn: false }),
  },
  "migrations.companies": { action: "migration.list", as: operator, input: startMigration },
  "migrations.status": { action: "migration.status", as: operator, input: () => ({}) },
  "migrations.report": { action: "migration.report", as: operator, input: startMigration },
  "runs.get": { action: "run.get", as: operator, input: startRun },
  "runs.pause": { action: "run.pause", as: operator, input: startRun },
  "runs.resume": { action: "run.resume", as: operator, input: startRun },
  "runs.cancel": { action: "run.cancel", as: operator, input: startRun },
  "rotation.policies": {
    action: "rotation.list",
    denied: "program",
    input: ({ company }) => ({ company }),
  },
  "rotation.setPolicy": {
    action: "rotation.set-policy",
    input: (place) => ({ ...ofSecret(place), driver: "generated" }),
  },
  "rotation.removePolicy": { action: "rotation.remove-policy", input: rotated },
  "rotation.pause": { action: "rotation.pause", input: rotated },
  "rotation.resume": {
    action: "rotation.resume",
    input: async (place) => {
      const name = await rotated(place);
      await secrets.rotation.pause(operator, name);
      return name;
    },
  },
  "rotation.rotate": { action: "rotation.rotate", input: rotated },
  "rotation.rotateCompromised": {
    action: "rotation.rotate",
    input: ({ company }) => ({ company }),
  },
  "rotation.runs": { action: "rotation.list", denied: "program", input: ({ company }) => ({ company }) },
  "rotation.run": {
    action: "rotation.list",
    denied: "program",
    input: (place) => rotation(place, "prepare"),
  },
  "rotation.supply": {
    action: "rotation.supply",
    input: async (place) => ({ ...(await rotation(place, "ask")), value: "fake_supplied_0001" }),
  },
  "rotation.confirm": {
    action: "rotation.confirm",
    input: (place) => rotation(place, "ask-retire"),
  },
  "rotation.endOrphan": { action: "rotation.end-orphan", input: orphan },
  "rotation.fallBack": { action: "rotation.fall-back", input: (place) => rotation(place, "watch") },
  "rotation.abort": { action: "rotation.abort", input: (place) => rotation(place, "prepare") },
  "webhooks.list": { action: "webhook.list", input: ({ company }) => ({ company }) },
  "webhooks.eventTypes": { action: "webhook.list", input: ({ company }) => ({ company }) },
  "webhooks.create": { action: "webhook.create", input: ({ company }) => ({ company, url: silentUrl }) },
  "webhooks.update": {
    action: "webhook.update",
    input: async (place) => ({ ...(await hook(place)), description: "Another" }),
  },
  "webhooks.roll": { action: "webhook.roll", input: hook },
  "webhooks.pause": { action: "webhook.pause", input: hook },
  "webhooks.resume": {
    action: "webhook.resume",
    input: async (place) => {
      const name = await hook(place);
      await secrets.webhooks.pause(place.owner, name);
      return name;
    },
  },
  "webhooks.remove": { action: "webhook.remove", input: hook },
  "webhooks.test": { action: "webhook.test", input: hook },
  "webhooks.deliveries": { action: "webhook.log", input: ({ company }) => ({ company }) },
  "webhooks.replay": {
    action: "webhook.replay",
    input: async (place) => ({ ...(await hook(place)), since: new Date(0) }),
  },
  "audit.list": { action: "audit.list", denied: "stranger", input: ({ company }) => ({ company }) },
  "audit.export": {
    action: "audit.export",
    denied: "stranger",
    input: ({ company }) => ({ company, from: new Date(0), to: new Date() }),
  },
  "audit.summary": {
    action: "audit.summary",
    denied: "stranger",
    input: ({ company }) => ({ company, from: new Date(0), to: new Date(1), by: "day" }),
  },
  "audit.proof": { action: "audit.proof", denied: "stranger", input: ({ company }) => ({ company }) },
  "audit.verify": { action: "audit.request-verification", as: operator },
  "audit.publicKeys": { action: "key.public-key", as: operator },
};

async function invite({ company }: Place): Promise<{ company: string; invitation: string }> {
  const { company: _, ...person } = newInvitation({ company });
  return { company, invitation: (await secrets.invitations.create(operator, company, person)).id };
}

/** A secret that can be rotated. */
async function rotated(place: Place): Promise<{ company: string; secretKey: string }> {
  const name = ofSecret(place);
  await secrets.rotation.set(operator, { ...name, driver: "generated", overlapSeconds: 0 });
  return name;
}

/** A rotation in one of its phases, as if its steps before had been taken. */
async function rotation(place: Place, phase: string): Promise<{ company: string; run: string }> {
  const name = await rotated(place);
  const run = await secrets.rotation.rotate(operator, { ...name, urgent: false });
  await fixture.superuser`
    update runs set phase = ${phase}, facts = facts || '{"currentVersion": null, "pendingVersion": null}' where id = ${run}`;
  return { company: name.company, run };
}

/** A credential that no run could end. */
async function orphan(place: Place): Promise<{ company: string; secretKey: string; marker: string }> {
  const name = await rotated(place);
  const marker = "ts-0123456789ab-1";
  await fixture.superuser`
    insert into rotation_credentials (company_id, secret_key, marker, run_id, state)
    select id, ${name.secretKey}, ${marker}, gen_random_uuid(), 'orphan' from companies where subdomain = ${name.company}`;
  return { ...name, marker };
}

async function hook({ company, owner }: Place): Promise<{ company: string; endpoint: string }> {
  const asked = { company, url: silentUrl, description: "", perSecond: 1 };
  return { company, endpoint: (await secrets.webhooks.create(owner, asked)).endpoint.id };
}

/** No other migration is unfinished, since one that changes something excludes others. */
async function companiesToMigrate({ company }: Place): Promise<{ companies: readonly string[] }> {
  for (const { id, kind } of await secrets.runs.list(operator, { unfinished: true, limit: 200 }))
    if (kind === "migrate") await secrets.runs.cancel(operator, id);
  return { companies: [company] };
}

async function startMigration({ company }: Place): Promise<{ run: string }> {
  const request = { verb: "plan", companies: [company], ratePerMinute: null, before: "switch" } as const;
  return { run: await secrets.migrations.begin(operator, request) };
}

/** A company key rotation that is waiting for its job. */
async function startRun({ company }: Place): Promise<{ run: string | undefined }> {
  await secrets.companyKeyRotation.requestRotation(operator, company);
  const [newest] = await secrets.runs.list(operator, { limit: 1 });
  return { run: newest?.id };
}

/** Calls a procedure in process. @returns its result, and the action and outcome of each event of the request */
async function call(as: Caller, name: string, input: unknown) {
  const requestId = randomUUID();
  const caller = createCaller(createCallerContext(secrets, { ...as, requestId }));
  const procedure: unknown = name
    .split(".")
    .reduce<unknown>((node, part) => Reflect.get(Object(node), part), caller);
  if (typeof procedure !== "function") throw new Error(`${name} is not callable`);
  let answer = "answered";
  let message = "";
  try {
    await procedure(input);
  } catch (error) {
    if (!(error instanceof TRPCError)) throw error;
    ({ code: answer, message } = publicError(error));
  }
  await secrets.flush();
  const events = await fixture.superuser<{ action: string; outcome: string; actor: string }[]>`
    select action, outcome, actor_id as actor from audit_events where request_id = ${requestId}`;
  expect(events.filter(({ actor }) => actor !== as.actor.id)).toEqual([]);
  return { answer, message, events: events.map(({ action, outcome }) => `${action} ${outcome}`) };
}

/** They have no caller, and tests of their own. */
const forVisitors: ReadonlySet<string> = new Set(["invitations.look", "invitations.accept"]);
const names = Object.keys(appRouter._def.procedures).filter((name) => !forVisitors.has(name));

/** @returns undefined for a procedure without an input */
function schemaOf(name: string): z.ZodType | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tRPC keeps them by path, whatever its types say
  const procedures = appRouter._def.procedures as unknown as Record<
    string,
    { readonly _def: { readonly inputs: readonly unknown[] } }
  >;
  const [input] = procedures[name]?._def.inputs ?? [];
  return input instanceof z.ZodType ? input : undefined;
}

const ago = (ms: number): Date => new Date(Date.now() - ms);
const confirmed = (caller: Caller, confirmedAt: Date | undefined): Caller => ({
  ...caller,
  session: { id: "test-session", confirmedAt, enrolled: true },
});
const fresh = (caller: Caller): Caller => confirmed(caller, ago(290_000));
const stale = (caller: Caller): Caller => confirmed(caller, ago(310_000));
const Definition = z.object({ meta: z.object({ stepUp: z.boolean() }).optional() });
const asking = Object.entries(appRouter._def.procedures)
  .filter(([, procedure]) => Definition.parse(Reflect.get(procedure, "_def")).meta?.stepUp)
  .map(([name]) => name);

test("these procedures ask a person to confirm", () => {
  expect(asking).toEqual([
    "me.setName",
    "me.setPassword",
    "me.sessions.end",
    "me.sessions.endOthers",
    "me.totp.begin",
    "me.totp.finish",
    "me.totp.remove",
    "me.passkeys.begin",
    "me.passkeys.finish",
    "me.passkeys.rename",
    "me.passkeys.remove",
    "me.backupCodes.renew",
    "secrets.reveal",
    "secrets.purge",
    "secrets.export",
    "secrets.search",
    "companies.setSecondFactor",
    "companies.setExternalKey",
    "companies.removeExternalKey",
    "companies.suspend",
    "companies.shred",
    "companies.delete",
    "companies.move",
    "companies.takeOver",
    "companies.leave",
    "companies.members.add",
    "companies.members.change",
    "companies.members.remove",
    "companies.members.endSessions",
    "companies.regions.add",
    "companies.regions.remove",
    "companies.apiKeys.create",
    "companies.apiKeys.rotate",
    "invitations.create",
    "invitations.resend",
    "keys.rotate",
    "keys.rotateCompany",
    "keys.destroy",
    "migrations.switch",
    "migrations.rollback",
    "migrations.cleanup",
    "migrations.mirror",
    "webhooks.create",
    "webhooks.update",
    "webhooks.roll",
    "webhooks.remove",
    "regions.add",
    "regions.remove",
    "approvals.give",
    "approvals.refuse",
    "users.disable",
    "users.endSessions",
    "users.resetSecondFactor",
    "users.enable",
  ]);
});

test("neither an old session, nor one confirmed in the future, nor an unconfirmed one reveals", async () => {
  const { company, owner } = await populate();
  const reveal = { company, secretKey: "CUSTOM_A", purpose: "incident" };
  for (const at of [undefined, ago(310_000), ago(-120_000), new Date(Number.NaN)]) {
    const { answer } = await call(confirmed(owner, at), "secrets.reveal", reveal);
    expect(answer).toBe("CONFIRMATION_REQUIRED");
  }
  expect((await call(confirmed(owner, new Date()), "secrets.reveal", reveal)).answer).toBe("answered");
});

test("waiting for a confirmation counts as no refusal", async () => {
  const { company, owner } = await populate();
  const strict = fixture.another({ limits: { refusalsPerMinute: 3 } });
  const caller = createCaller(createCallerContext(strict, stale(owner)));
  const reveal = () => caller.secrets.reveal({ company, secretKey: "CUSTOM_A", purpose: "incident" });
  for (let calls = 0; calls < 8; calls++) await expect(reveal()).rejects.toThrow("Confirm that it is you");
  await expect(caller.secrets.list({ company })).resolves.toBeDefined();
});

test("a server's own calls for a person, in a company that was resolved before, wait for a confirmation", async () => {
  const { company, owner } = await populate();
  const scope = await fixture.scope(company, stale(owner));
  const caller = createCaller(createScopeContext(secrets, scope));
  const reveal = caller.secrets.reveal({ company, secretKey: "CUSTOM_A", purpose: "incident" });
  await expect(reveal).rejects.toThrow("Confirm that it is you");
});

const stranger = (await populate()).owner;

/** Procedures whose success leaves no event, with the reason. */
const unaudited: Readonly<Record<string, Pick<Row, "as" | "input"> & { readonly because: string }>> = {
  "me.get": { because: "each page begins with it, and it tells people about themselves alone" },
  "me.active": { because: "each open page sends it once a minute, and it changes a time alone" },
  "catalog.describe": { because: "it is about the product, the same for every caller, and about no company" },
  "companies.stamp": {
    because: "each open page asks for it three times a minute, and it tells that something changed, not what",
    input: ({ company }) => ({ company }),
  },
  "system.health": {
    because: "an open page asks for it every few seconds, and it tells of no company",
    as: operator,
  },
  "regions.status": {
    because: "an open page asks for it again and again, and it tells of no company",
    as: operator,
  },
  "runs.list": {
    because: "each open page asks for it four times a minute, and it tells of no secret",
    input: ({ company }) => ({ company, recent: true }),
  },
};

test.each(Object.entries(unaudited))("%s leaves no event", async (name, { as, input }) => {
  const place = await populate();
  expect(await call(stale(as ?? place.owner), name, await input?.(place))).toMatchObject({
    answer: "answered",
    events: [],
  });
});

test("a denied system.health is audited", async () => {
  const { answer, events } = await call(stranger, "system.health", undefined);
  expect({ answer, events }).toEqual({ answer: "FORBIDDEN", events: ["system.health denied"] });
});

test.each(["me.get", "me.active"])("a denied %s is audited", async (name) => {
  const { answer, events } = await call(product, name, undefined);
  expect({ answer, events }).toEqual({
    answer: "FORBIDDEN",
    events: [name === "me.get" ? "account.get denied" : "session.touch denied"],
  });
});

test.each([
  ["companies.stamp", "company.stamp"],
  ["runs.list", "run.list"],
])("a denied %s is audited", async (name, action) => {
  const { company } = await populate();
  expect(await call(stranger, name, { company })).toMatchObject({
    answer: "NOT_FOUND",
    events: [`${action} denied`],
  });
});

test.each(names.filter((name) => !Object.hasOwn(unaudited, name)))(
  "%s is audited under its action, both on success and on denial",
  async (name) => {
    const row = table[name];
    if (row === undefined) throw new Error("add the procedure to the table, with the action of its event");
    const { action, done: success = action, as, denied, input } = row;
    const place = await populate();
    const asked = await input?.(place);

    // A person without the permission is refused, and not asked to confirm.
    const refused = await call(
      denied === "program" ? product : stale(denied === "stranger" ? stranger : place.auditor),
      name,
      asked,
    );
    expect(refused.answer).toBe(denied === "stranger" ? "NOT_FOUND" : "FORBIDDEN");
    expect(refused.events).toEqual([`${action} denied`]);

    const permitted = as ?? place.owner;
    if (asking.includes(name)) {
      expect(await call(stale(permitted), name, asked)).toMatchObject({
        answer: "CONFIRMATION_REQUIRED",
        events: [`${action} failed`],
      });
    }
    const done = await call(asking.includes(name) ? fresh(permitted) : stale(permitted), name, asked);
    expect(done.answer).toBe("answered");
    expect(done.events).toContain(`${success} success`);
    expect(done.events.join()).not.toMatch(/denied|failed|unknown/);
  },
);

test.each(names.filter((name) => schemaOf(name) !== undefined))(
  "malformed input of %s gets the same answer with and without the permission, and leaves no event",
  async (name) => {
    const place = await populate();
    const asked = await (table[name] ?? unaudited[name])?.input?.(place);
    const elsewhere = { ...Object(asked), company: "no-such-company" };
    const callers = [table[name]?.as ?? place.owner, place.auditor, stranger];
    for (const valid of [asked, elsewhere]) {
      const input = { ...Object(valid), surplus: "fake" };
      expect(schemaOf(name)?.safeParse(input).success).toBe(false);
      const answers = await Promise.all(callers.map((caller) => call(caller, name, input)));
      expect(answers[0]).toMatchObject({ answer: "INVALID_INPUT", events: [] });
      expect(answers.slice(1)).toEqual([answers[0], answers[0]]);
    }
  },
);

test("every procedure in the table exists", () => {
  expect(Object.keys(table).filter((name) => !names.includes(name))).toEqual([]);
});
