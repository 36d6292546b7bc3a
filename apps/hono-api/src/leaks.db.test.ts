import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, migrateDatabase, provisionDatabase, type Database } from "@repo/db";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "@repo/db/embedded";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import { startLocalStripe, type LocalStripe } from "@repo/providers/stripe";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecrets, type Caller } from "@repo/tenant-secrets";
import { afterAll, beforeAll, expect, it } from "vitest";
import { canaryOf, createCanary, type Canary } from "./testing/canary.ts";
import { pay, send, sendJson, sendRaw, type Answer, type Message } from "./testing/raw-http.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";

const operator: Caller = { actor: { kind: "operator", id: "test-operator" } };
/** Makes the local Stripe refuse it, and quote it. */
const value = createCanary("sk_test_fake_revoked_");
const note = createCanary("note-");
const requestId = createCanary("request-");
const masterKey = randomBytes(32).toString("hex");

let serverLog = "";
let dataDir: string;
let postgres: EmbeddedPostgres;
let emulator: InfisicalEmulator;
let stripe: LocalStripe;
let superuser: Database;
let api: ServerProcess;
let url: string;
/** The credentials of the platform, and what it reaches its servers with. */
const credentials: Record<string, string> = {};

beforeAll(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), "leaks-"));
  const everything = {
    log_statement: "all",
    log_min_duration_statement: "0",
    log_parameter_max_length: "-1",
    log_parameter_max_length_on_error: "-1",
    log_error_verbosity: "verbose",
  };
  [postgres, emulator, stripe] = await Promise.all([
    startEmbeddedPostgres({
      dataDir,
      settings: { fsync: "off", ...everything },
      onLog: (text) => (serverLog += text),
    }),
    startInfisicalEmulator(),
    startLocalStripe(),
  ]);
  const urls = await provisionDatabase({ superuserUrl: postgres.superuserUrl, database: "leaks" });
  await migrateDatabase(urls.migration);
  const superuserUrl = postgres.superuserUrl.replace(/postgres$/, "leaks");
  superuser = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", masterKey);

  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const secrets = createTenantSecrets({ database, infisical, catalog: deliveryChatCatalog, cache: false });
  for (const secretStore of ["database", "hybrid", "infisical"] as const) {
    await secrets.admin.companies.create(operator, { subdomain: `in-${secretStore}`, secretStore });
  }
  await secrets.admin.companies.create(operator, { subdomain: "foreign", secretStore: "database" });
  const rights = { secretKeys: ["*"], expiresAt: new Date(Date.now() + 3_600_000) };
  const companies = ["in-database", "in-hybrid", "in-infisical"];
  const make = async (verbs: readonly ("describe" | "use" | "write" | "delete")[]) =>
    secrets.admin.apiKeys.create(operator, { name: "test", companies, platform: true, verbs, ...rights });
  const full = await make(["describe", "use", "write", "delete"]);
  const revoked = await make(["use", "write"]);
  await secrets.admin.apiKeys.revoke(operator, "in-database", revoked.description.id);
  Object.assign(credentials, {
    full: full.apiKey,
    revoked: revoked.apiKey,
    reading: (await make(["use"])).apiKey,
    operator: (await secrets.admin.operators.create(operator, { name: "ops", expiresAt: rights.expiresAt }))
      .token,
    masterKey,
    clientSecret: emulator.clientSecret,
    ...Object.fromEntries(Object.entries(urls).map(([role, its]) => [role, new URL(its).password])),
  });
  await secrets.stop();
  await database.close();

  api = startServer({
    ...variablesOf(urls, emulator),
    STRIPE_API_URL: stripe.url,
    RATE_LIMIT_FAILED_CREDENTIALS_PER_MINUTE: "10",
    LOG_LEVEL: "debug",
    METRICS_PORT: "0",
    NODE_OPTIONS: `--import=${new URL("print-spans.ts", import.meta.url).href}`,
  });
  url = await api.url();
  while ((await send(url, { path: "/readyz" })).status !== 200) await sleep(100);
}, 60_000);

afterAll(async () => {
  api.kill("SIGKILL");
  await api.ended;
  await superuser.close();
  await Promise.all([emulator.stop(), stripe.stop(), postgres.stop()]);
  rmSync(dataDir, { recursive: true, force: true });
});

const bearer = (credential = credentials["full"]) => ({ authorization: `Bearer ${credential}` });
const asSuperuser = (statement: string) => superuser.acrossCompanies((s) => s.execute(statement));
const stored = { company: "in-database", secretKey: "STRIPE_SECRET_KEY" };
const writing = { ...stored, value: value.text };

const post = (procedure: string, input: unknown, headers = bearer()): Promise<Answer> =>
  sendJson(url, {
    path: `/trpc/${procedure}`,
    body: typeof input === "string" ? input : { json: input },
    headers,
  });
const write = (fields: object = {}, headers = bearer()) =>
  post("secrets.write", { ...writing, ...fields }, headers);
const sent = (message: Partial<Message>): Promise<Answer> =>
  send(url, {
    method: "POST",
    path: "/trpc/secrets.write",
    body: JSON.stringify({ json: writing }),
    ...message,
    headers: { "content-type": "application/json", ...bearer(), ...message.headers },
  });
const got = (inPath: string, headers = {}) =>
  send(url, { path: inPath, headers: { ...bearer(), ...headers } });

/** The value is sealed before the database sees it; a note is not, and the database's own errors quote it. */
const writeWithNote = () => write({ note: note.text });

/** While a trigger does this to whatever is written, write. */
async function writeWhile(trigger: string): Promise<Answer> {
  await asSuperuser(`create function spoil() returns trigger language plpgsql as $$ begin ${trigger} end $$;
    create trigger spoil before insert or update on company_secret_versions for each row execute function spoil()`);
  try {
    return await writeWithNote();
  } finally {
    await asSuperuser("drop function spoil cascade");
  }
}

async function during(before: string, work: () => Promise<Answer>, after: string): Promise<Answer> {
  await asSuperuser(before);
  try {
    return await work();
  } finally {
    await asSuperuser(after);
  }
}

function whileInfisical(
  fault: Parameters<InfisicalEmulator["faults"]["add"]>[0],
  procedure = "secrets.write",
): () => Promise<Answer> {
  return async () => {
    // Writing again is not tried, and a log-in is not in the way.
    emulator.faults.add(fault, { path: /secrets/, times: 5 });
    const { value: _, ...reading } = writing;
    const input = { ...(procedure === "secrets.write" ? writing : reading), company: "in-infisical" };
    const answer = await post(procedure, input);
    emulator.faults.clear();
    return answer;
  };
}

const canary = value.text;
const encoded = encodeURIComponent(JSON.stringify({ json: writing }));

/** Each has the value somewhere where it does not belong, or breaks something while it is where it does. */
const failures: Readonly<Record<string, () => Promise<Answer>>> = {
  "of the wrong type": () => write({ value: [canary] }),
  "as the name of a field of itself": () => write({ value: { [canary]: canary } }),
  "as an unknown field": () => write({ [canary]: canary }),
  "too long by much": () => write({ value: canary.repeat(2000) }),
  "longer than a body": () => write({ value: canary.repeat(12_000) }),
  "with NUL": () => write({ value: `${canary}\0` }),
  "with half a character": () => write({ value: `${canary}\uD800` }),
  "of a form that its secret key does not take": () => write({ secretKey: "SENDGRID_API_KEY" }),
  "as JSON that is none": () => write({ secretKey: "OAUTH_GOOGLE" }),
  "as JSON of another form": () =>
    write({ secretKey: "OAUTH_GOOGLE", value: JSON.stringify({ clientId: canary, [canary]: canary }) }),
  "in malformed JSON": () => post("secrets.write", `{"json":{"value":${canary}`),
  "in JSON that ends": () => post("secrets.write", `{"json":{"value":"${canary}`),
  "in bytes that are no UTF-8": () =>
    sent({ body: Buffer.concat([Buffer.from(canary), Buffer.from([0xc3])]) }),
  nested: () => post("secrets.write", `${"[".repeat(30)}"${canary}"${"]".repeat(30)}`),
  "as text": () => sent({ headers: { "content-type": "text/plain" }, body: canary }),
  "as a form": () =>
    sent({ headers: { "content-type": "multipart/form-data; boundary=x" }, body: `--x\r\n${canary}` }),
  "of a content type named like it": () => sent({ headers: { "content-type": canary } }),
  "for a foreign company": () => write({ company: "foreign" }),
  "as a company": () => write({ company: canary }),
  "as a secret key, to read": () => post("secrets.read", { ...stored, secretKey: canary }),
  "as a secret key, to write": () => write({ secretKey: canary }),
  "as what no secret key looks like": () => post("secrets.remove", { ...stored, secretKey: `${canary}.` }),
  "with a version that is not the current one": () => write({ expectedVersion: 99 }),
  "as a version": () => write({ expectedVersion: canary }),
  "as a malformed request id": () => write({ requestId: `${canary} ${canary}` }),
  "with a request id of another request": () => write({ requestId: requestId.text }),
  "as a note too long": () => write({ note: canary.repeat(20) }),
  "as a procedure": () => post(canary, {}),
  "as a procedure of a batch": () => got(`/trpc/secrets.list,${canary}?batch=1`),
  "as a path": () => got(`/${canary}/${canary}`),
  "as a query": () => got(`/healthz/x?${canary}=${canary}#${canary}`),
  "as an input that is no JSON": () => got(`/trpc/secrets.list?input=${canary}`),
  "in a URL, by GET": () => got(`/trpc/secrets.write?input=${encoded}`),
  "as connection parameters": () => got(`/trpc/secrets.list?connectionParams=${canary}`),
  "with the method PUT": () => sent({ method: "PUT" }),
  "with a method named like it": () => sent({ method: "PROPPATCH", path: `/${canary}` }),
  "as a credential": () => write({}, bearer(canary)),
  "as a password": () =>
    write({}, { authorization: `Basic ${Buffer.from(`a:${canary}`).toString("base64")}` }),
  "as a cookie, without a credential": () =>
    sent({ headers: { authorization: "", cookie: `session=${canary}` } }),
  "as headers of every kind": () =>
    got("/none", {
      "x-request-id": canary,
      "user-agent": canary,
      referer: canary,
      traceparent: canary,
      "x-forwarded-for": canary,
      "x-tenant-id": canary,
      accept: canary,
    }),
  "as an origin": () => sent({ headers: { origin: `https://${canary}` } }),
  "as a host": () => pay(url, { host: `${canary}.localhost`, credential: credentials["full"] ?? "" }),
  "in a payment": () =>
    pay(url, { host: "in-database.localhost", credential: credentials["full"] ?? "" }, { amount: canary }),
  "as a malformed idempotency key": () =>
    pay(url, {
      host: "in-database.localhost",
      credential: credentials["full"] ?? "",
      headers: { "idempotency-key": `${canary} ${canary}` },
    }),
  "used with Stripe, which refuses and quotes it": () =>
    pay(url, { host: "in-database.localhost", credential: credentials["full"] ?? "" }),
  "with a revoked key": () => write({}, bearer(credentials["revoked"])),
  "with a key that may not write": () => write({}, bearer(credentials["reading"])),
  "with an operator's token": () => write({}, bearer(credentials["operator"])),
  "searched for by who may not": () => post("secrets.search", { value: canary }),
  "revealed by who may not": () => post("secrets.reveal", { ...stored, purpose: canary }),
  "written when Infisical resets": whileInfisical({ kind: "reset" }),
  "written when Infisical answers with an error that quotes it": whileInfisical({
    kind: "answer",
    status: 500,
    body: { message: canary, error: canary },
  }),
  "written when Infisical refuses and quotes it": whileInfisical({
    kind: "answer",
    status: 422,
    body: { message: `secretValue ${canary} is not allowed` },
  }),
  "written when Infisical answers with a page": whileInfisical({
    kind: "answer",
    status: 200,
    body: `<html>${canary}</html>`,
    headers: { "content-type": "text/html" },
  }),
  "read when Infisical breaks off": whileInfisical({ kind: "truncated-body" }, "secrets.read"),
  "read when Infisical hides it": whileInfisical({ kind: "hidden-values" }, "secrets.read"),
  "written when a row is not unique": () =>
    writeWhile("raise exception 'Key (%) exists', new using errcode = '23505', detail = new::text;"),
  "written when a row fails a check": () =>
    during(
      "alter table company_secret_versions add constraint spoil check (version < 0) not valid",
      writeWithNote,
      "alter table company_secret_versions drop constraint spoil",
    ),
  "written in a deadlock": () => writeWhile("raise exception '%', new using errcode = '40P01';"),
  "written when a statement takes too long": () =>
    writeWhile("raise exception '%', new using errcode = '57014';"),
  "written when the connection is lost": () =>
    writeWhile("perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return new;"),
  "written when the disk is full": () => writeWhile("raise exception '%', new using errcode = '53100';"),
  "written when a column is gone": () =>
    during(
      "alter table company_secret_versions rename column note to away",
      writeWithNote,
      "alter table company_secret_versions rename column away to note",
    ),
  "written when the audit log is unavailable": () =>
    during(
      "alter table audit_events rename to away",
      writeWithNote,
      "alter table away rename to audit_events",
    ),
  "read after another party changed the row": () =>
    during(
      "update company_secrets set secret_value_encrypted = left(secret_value_encrypted, -4) || 'AAAA' where secret_key = 'STRIPE_SECRET_KEY'",
      () => post("secrets.read", stored),
      "select 1",
    ),
};

it(
  "a value, the master key and the credentials are found nowhere, however a request with them fails",
  { timeout: 240_000 },
  async () => {
    for (const company of ["in-database", "in-hybrid", "in-infisical"]) {
      const options = company === "in-infisical" ? {} : { note: note.text, requestId: requestId.text };
      expect((await write({ company, ...options })).status, company).toBe(200);
      const answer = await post("secrets.read", { ...stored, company });
      expect(value.formsIn(answer.body)).toContain("plain");
    }
    const searched = await post("secrets.search", { value: canary }, bearer(credentials["operator"]));
    expect([searched.status, searched.body]).toEqual([200, expect.stringContaining("STRIPE_SECRET_KEY")]);
    const answers: Record<string, string> = { "searched for by an operator": searched.body };
    for (const [name, fail] of Object.entries(failures)) {
      const answer = await fail();
      expect(answer.status, `${name}: ${answer.body}`).not.toBe(200);
      answers[name] = `${JSON.stringify(answer.headers)}\n${answer.body}`;
    }
    answers["too often"] = JSON.stringify(await untilLimited());
    answers["as no HTTP"] = await sendRaw(url, `${canary}\r\n\r\n`);
    answers["in headers without end"] = await sendRaw(
      url,
      `GET / HTTP/1.1\r\nx: ${canary.repeat(500)}\r\n\r\n`,
    );
    await leaveInTheMiddle();
    expect(Object.keys(answers).length).toBeGreaterThanOrEqual(60);

    const metrics = await (await fetch(`${await api.metricsUrl()}/metrics`)).text();
    // Stopping the process flushes its buffers.
    api.kill("SIGTERM");
    expect(await api.ended).toBe(0);
    const tables = await everyTable();
    await postgres.stop();

    const places = new Map([
      ...Object.entries(answers).map(([name, text]) => [`the answer to: ${name}`, text] as const),
      ["standard output and standard error, with the spans", api.output()],
      ["the metrics", metrics],
      ["the log of PostgreSQL", serverLog],
      ...tables,
    ]);
    const foundIn = (looked: Canary) =>
      [...places].flatMap(([place, text]) => looked.formsIn(text).map((form) => `${place}: ${form}`));
    expect(foundIn(value), "the value").toEqual([]);
    for (const [name, secret] of Object.entries(credentials)) {
      expect(foundIn(canaryOf(secret)), name).toEqual([]);
    }
    // The caller's own texts appear where they belong, which shows that the search would find a leak.
    for (const [words, column] of [
      [note, "public.company_secret_versions.note"],
      [requestId, "public.write_requests.request_id"],
    ] as const) {
      expect(foundIn(words)).toEqual(["the log of PostgreSQL: plain", `${column}: plain`]);
    }

    expect(serverLog.length).toBeGreaterThan(100_000);
    expect(api.output().split("\n").length).toBeGreaterThan(100);
    expect(api.output().match(/^\{"span":.*"scope":"@repo\/hono-api"/gm)?.length).toBeGreaterThan(60);
    expect(api.output().match(/^\{"span":.*"scope":"@repo\/db"/gm)?.length).toBeGreaterThan(100);
    expect(metrics).toMatch(/^tenant_secrets_http_request_duration_seconds_count\{.*secrets\.write.* \d+$/m);
    const found = `${Object.keys(answers).length} answers, ${api.output().split("\n").length} lines of output, ${serverLog.split("\n").length} lines of PostgreSQL's log, ${tables.length} columns; each for ${2 + Object.keys(credentials).length} secrets`;
    console.log(`looked in ${found}`);
  },
);

async function untilLimited(): Promise<Answer> {
  for (let i = 0; i < 30; i++) {
    const answer = await write({}, bearer(`${canary}${i}`));
    if (answer.status === 429) return answer;
  }
  throw new Error("was not limited");
}

async function leaveInTheMiddle(): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on("error", () => {});
  const head =
    "POST /trpc/secrets.write HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n";
  socket.write(`${head}{"json":{"value":"${canary}"`, () => socket.resetAndDestroy());
  await new Promise((resolve) => socket.once("close", resolve));
}

/** Every column of every table of every schema, PostgreSQL's own too, as text. */
async function everyTable(): Promise<(readonly [string, string])[]> {
  const columns = await asSuperuser(`
    select format('%I.%I', n.nspname, c.relname) as "table", format('%I', a.attname) as "column"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
    where (c.relkind in ('r', 'p', 'm') or c.relname in ('pg_stat_activity', 'pg_prepared_statements'))
      and n.nspname <> 'pg_toast' and a.attnum > 0 and not a.attisdropped`);
  const texts: [string, string][] = [];
  for (const { table, column } of columns) {
    const [row] = await asSuperuser(
      `select string_agg(${String(column)}::text, e'\\n') as text from ${String(table)}`,
    );
    const text = row?.["text"];
    texts.push([`${String(table)}.${String(column)}`, typeof text === "string" ? text : ""]);
  }
  return texts;
}
