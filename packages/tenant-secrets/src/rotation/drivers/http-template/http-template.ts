import type { CheckResult } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import type { OutboundAnswer } from "@repo/outbound";
import { z } from "zod";
import type { DriverCall, ProviderDriver } from "../driver.ts";
import { DriverError } from "../driver-error.ts";
import { isMarker } from "../marker.ts";
import { failureOf, findJson, pathPart, readJson, send } from "../requests.ts";
import { valueAt } from "./json-pointer.ts";
import { bodyText, fill, HttpTemplate, type Places } from "./template.ts";

const Settings = z.strictObject({});
type Call = DriverCall<z.infer<typeof Settings>>;

/** A value as it can be stored and sent in a header. */
const Value = z.string().regex(/^[\x20-\x7e]{1,4096}$/);
const Ref = z.union([z.string().min(1).max(200), z.int().transform(String)]);
const Ending = z.union([
  z.iso.datetime({ offset: true }).transform((text) => new Date(text)),
  z
    .int()
    .min(0)
    .max(253_402_300_799)
    .transform((seconds) => new Date(seconds * 1000)),
]);

/**
 * A driver for an HTTP API that is described by data. Requests go to the host of `baseUrl` alone.
 *
 * @throws {TypeError} where the description has another form, which it names by its fields
 */
export function httpTemplate(
  described: z.input<typeof HttpTemplate>,
): ProviderDriver<z.infer<typeof Settings>> {
  const template = parseTemplate(described);
  const { create, find, test: trial, retire } = template;
  const base = new URL(template.baseUrl);

  async function ask(call: Call, as: Plaintext | undefined, request: Request): Promise<OutboundAnswer> {
    if (as === undefined) throw new DriverError("misconfigured");
    const { method, path, body, places = {} } = request;
    const url = new URL(base.pathname.replace(/\/+$/, "") + fill(path, places, pathPart), base.origin);
    const answer = await send(call, url.href, {
      method,
      headers: {
        accept: "application/json",
        ...authorization(template.auth, as.reveal()),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: bodyText(body, places) }),
    });
    // A page comes from something in between, with any status.
    const isPage = answer.headers.get("content-type")?.toLowerCase().startsWith("text/html") === true;
    if (isPage) throw new DriverError("transient");
    return answer;
  }

  const driver: ProviderDriver<z.infer<typeof Settings>> = {
    name: template.name,
    creates: "provider",
    settings: Settings,
    overlap: template.overlap,
    settleSeconds: template.settleSeconds,
    manager: template.manager,

    async create(call) {
      const { marker } = call;
      const answer = await ask(call, call.manager, { ...create, places: { marker } });
      if (template.limit?.includes(answer.status)) throw new DriverError("limit");
      if (!create.status.includes(answer.status)) throw failureOf(answer);
      const json = readJson(answer, z.unknown());
      const value = Value.safeParse(valueAt(json, create.value));
      const ref = Ref.safeParse(valueAt(json, create.ref));
      const end = create.expiresAt === undefined ? undefined : valueAt(json, create.expiresAt);
      const expiresAt = Ending.nullish().safeParse(end);
      if (!value.success || !ref.success || !expiresAt.success) throw new DriverError("transient");
      if (await isOfOtherAccount(call, value.data)) {
        // No list of ours shows it: it ends itself.
        const own = Plaintext.fromText(value.data);
        await driver.retire({ ...call, manager: own }, { ref: ref.data, marker }).catch(() => {});
        own.wipe();
        throw new DriverError("transient");
      }
      return {
        value: Plaintext.fromText(value.data),
        ref: ref.data,
        ...(expiresAt.data && { expiresAt: expiresAt.data }),
      };
    },

    async test(call, value): Promise<CheckResult> {
      try {
        const { status } = await ask(call, value, { method: "GET", path: trial.path });
        if (trial.accepted.includes(status)) return "accepted";
        return trial.rejected.includes(status) ? "rejected" : "unknown";
      } catch (error) {
        if (error instanceof DriverError && error.code === "misconfigured") throw error;
        return "unknown";
      }
    },

    async retire(call, { ref, marker }) {
      if (find !== undefined && marker !== undefined) {
        const listed = (await list(call)).find((one) => one.ref === ref);
        if (listed === undefined) return "gone";
        if (listed.marker !== marker) throw new DriverError("misconfigured");
      }
      const answer = await ask(call, call.manager, { ...retire, places: { ref } });
      if (retire.gone.includes(answer.status)) return "gone";
      if (!retire.status.includes(answer.status)) throw failureOf(answer);
      return "retired";
    },

    async confirm(call, { ref, value }) {
      if (value !== undefined) return (await driver.test(call, value)) === "rejected";
      return find !== undefined && !(await list(call)).some((one) => one.ref === ref);
    },
  };

  async function list(call: Call): Promise<readonly { readonly ref: string; readonly marker: string }[]> {
    if (find === undefined) return [];
    const answer = await ask(call, call.manager, { method: "GET", path: find.path });
    if (!find.status.includes(answer.status)) throw failureOf(answer);
    const json = readJson(answer, z.unknown());
    const items = z.array(z.unknown()).safeParse(find.items === undefined ? json : valueAt(json, find.items));
    if (!items.success) throw new DriverError("transient");
    return items.data.map((item) => {
      const ref = Ref.safeParse(valueAt(item, find.ref));
      if (!ref.success) throw new DriverError("transient");
      return { ref: ref.data, marker: String(valueAt(item, find.marker)) };
    });
  }

  /** @returns undefined where the answer does not say it */
  async function accountOf(call: Call, value: Plaintext): Promise<string | undefined> {
    if (trial.account === undefined) return undefined;
    const answer = await ask(call, value, { method: "GET", path: trial.path });
    if (!trial.accepted.includes(answer.status)) return undefined;
    const account = Ref.safeParse(valueAt(findJson(answer, z.unknown()), trial.account));
    return account.data;
  }

  async function isSameAccount(call: Call, one: Plaintext, other: Plaintext): Promise<boolean | "unknown"> {
    const [first, second] = [await accountOf(call, one), await accountOf(call, other)];
    return first === undefined || second === undefined ? "unknown" : first === second;
  }

  async function isOfOtherAccount(call: Call, text: string): Promise<boolean> {
    const known = call.current ?? call.manager;
    if (trial.account === undefined || known === undefined) return false;
    const made = Plaintext.fromText(text);
    try {
      return (await isSameAccount(call, known, made)) === false;
    } finally {
      made.wipe();
    }
  }

  return {
    ...driver,
    ...(find !== undefined && {
      find: async (call: Call) => (await list(call)).filter(({ marker }) => isMarker(marker)),
    }),
    ...(trial.account !== undefined && { sameAccount: isSameAccount }),
  };
}

interface Request {
  readonly method: HttpTemplate["create"]["method"];
  readonly path: string;
  readonly body?: HttpTemplate["create"]["body"];
  readonly places?: Places;
}

function parseTemplate(described: z.input<typeof HttpTemplate>): HttpTemplate {
  const parsed = HttpTemplate.safeParse(described);
  if (parsed.success) return parsed.data;
  const fields = new Set(parsed.error.issues.map(({ path }) => path.map(String).join(".") || "the whole"));
  throw new TypeError(`The template of a rotation driver has another form in: ${[...fields].join(", ")}`);
}

function authorization(auth: HttpTemplate["auth"], value: string): Readonly<Record<string, string>> {
  switch (auth.as) {
    case "bearer":
      return { authorization: `Bearer ${value}` };
    case "basic": {
      const pair = auth.user === undefined ? `${value}:` : `${auth.user}:${value}`;
      return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
    }
    case "header":
      return { [auth.name.toLowerCase()]: value };
  }
}
