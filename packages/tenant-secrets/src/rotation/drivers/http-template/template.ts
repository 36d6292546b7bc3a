import { z } from "zod";
import { pointerForm } from "./json-pointer.ts";

const Pointer = z.string().max(200).regex(pointerForm);
const Statuses = z.array(z.int().min(200).max(599)).min(1);
const Method = z.enum(["GET", "POST", "PUT", "PATCH", "DELETE"]);

/** What is put in place of `{{marker}}` and `{{ref}}`; no other text stands between double braces. */
export type Places = Readonly<Partial<Record<"marker" | "ref", string>>>;

/** Finds every pair of double braces, so that a place with another name is refused. */
const bracesForm = /\{\{|\}\}/;
const placeForm = /\{\{(marker|ref)\}\}/g;

const hasOnly = (text: string, places: readonly string[]): boolean =>
  !bracesForm.test(text.replaceAll(placeForm, (place, name: string) => (places.includes(name) ? "" : place)));

/** A path below the base, of visible ASCII, without a step to another one. */
const path = (...places: readonly string[]) =>
  z
    .string()
    .max(500)
    .regex(/^\/(?!\/)[\x21-\x7e]*$/)
    .refine((text) => !/[\\#]|(?:^|\/)\.{1,2}(?:\/|\?|$)|%2e/i.test(text) && hasOnly(text, places));

type Body = string | number | boolean | null | readonly Body[] | { readonly [name: string]: Body };
const bodyOf = (...places: readonly string[]): z.ZodType<Body> => {
  const Body: z.ZodType<Body> = z.lazy(() =>
    z.union([
      z.string().refine((text) => hasOnly(text, places)),
      z.number(),
      z.boolean(),
      z.null(),
      z.array(Body),
      z.record(
        z.string().refine((name) => !bracesForm.test(name)),
        Body,
      ),
    ]),
  );
  return Body;
};

/** How an HTTP API makes, lists, tries and ends credentials: data, and no code of the API's. */
export const HttpTemplate = z
  .strictObject({
    /** What catalogue entries and policies call the driver. */
    name: z.string().regex(/^[a-z][a-z0-9-]{0,49}$/),
    /** With https, such as `https://api.acme.example/v2`. Every request goes to this host. */
    baseUrl: z.url({ protocol: /^https?$/ }).refine((text) => !/[?#@]/.test(text)),
    /** How a request says whose rights it has: the value as a bearer token, as user or password, or in a header. */
    auth: z.discriminatedUnion("as", [
      z.strictObject({ as: z.literal("bearer") }),
      z.strictObject({
        as: z.literal("basic"),
        user: z
          .string()
          .regex(/^[\x21-\x39\x3b-\x7e]*$/)
          .optional(),
      }),
      z.strictObject({ as: z.literal("header"), name: z.string().regex(/^[A-Za-z][\w-]{0,60}$/) }),
    ]),
    manager: z.enum(["self", "required", "optional"]).default("self"),
    overlap: z.enum(["both-valid", "replaces"]).default("both-valid"),
    settleSeconds: z.int().min(0).max(600).default(60),
    create: z.strictObject({
      method: Method.default("POST"),
      path: path("marker"),
      body: bodyOf("marker").optional(),
      status: Statuses.default([200, 201]),
      /** Where the answer has the value, the provider's id of it, and when it ends: as text, or in seconds since 1970. */
      value: Pointer,
      ref: Pointer,
      expiresAt: Pointer.optional(),
    }),
    /** The list of credentials. Without one, a credential whose answer was lost is not found again. */
    find: z
      .strictObject({
        path: path(),
        status: Statuses.default([200]),
        /** Where the answer has the list; and in each of its items, the id and the name. Left out: the answer is the list. */
        items: Pointer.optional(),
        ref: Pointer,
        marker: Pointer,
      })
      .optional(),
    test: z.strictObject({
      path: path(),
      accepted: Statuses.default([200]),
      rejected: Statuses.default([401]),
      /** Where the answer has the id of the account. */
      account: Pointer.optional(),
    }),
    retire: z.strictObject({
      method: Method.default("DELETE"),
      path: path("ref"),
      body: bodyOf("ref").optional(),
      status: Statuses.default([200, 202, 204]),
      gone: Statuses.default([404, 410]),
    }),
    /** Statuses of `create` that say that there are as many credentials as may be. */
    limit: Statuses.optional(),
  })
  .refine(({ retire }) => JSON.stringify([retire.path, retire.body ?? ""]).includes("{{ref}}"))
  .refine(({ create }) => JSON.stringify([create.path, create.body ?? ""]).includes("{{marker}}"));
export type HttpTemplate = z.output<typeof HttpTemplate>;

/** @param encode what is put in place of `{{…}}`, by its value */
export function fill(text: string, places: Places, encode: (value: string) => string): string {
  return text.replaceAll(placeForm, (_, name: "marker" | "ref") => encode(places[name] ?? ""));
}

/** The body with its places filled in, as JSON. */
export function bodyText(body: Body, places: Places): string {
  return JSON.stringify(body, (_, value: unknown) =>
    typeof value === "string" ? fill(value, places, (place) => place) : value,
  );
}
