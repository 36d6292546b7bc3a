import { Hono, type Context, type MiddlewareHandler } from "hono";
import { parseAccept } from "hono/utils/accept";
import type { ApiEnv } from "../context.ts";
import { adminPageHeaders } from "../middleware/security-headers.ts";
import type { AdminFiles, Encoding } from "./admin-files.ts";

const encodings: readonly Encoding[] = ["br", "gzip"];

const company = "/c/:company{[a-z0-9-]{1,63}}";
const endpoint = ":endpoint{[0-9a-f-]{36}}";
const run = ":run{[0-9a-f-]{36}}";
const secretKey = ":secretKey{[A-Z][A-Za-z0-9_]{0,127}}";

/** The addresses of pages, which are those of the app's routes. Any other is 404, so that a misspelled link says so. */
export const pages = [
  "/",
  "/sign-in",
  "/forgot",
  "/reset",
  "/invitation",
  "/enrol",
  "/companies",
  "/account",
  `${company}/secrets`,
  `${company}/secrets/${secretKey}`,
  `${company}/secrets/new`,
  `${company}/secrets/new/${secretKey}`,
  `${company}/secrets/import`,
  `${company}/secrets/removed`,
  `${company}/rotation`,
  `${company}/rotation/new`,
  `${company}/rotation/${secretKey}`,
  `${company}/rotation/runs`,
  `${company}/rotation/runs/${run}`,
  `${company}/audit-log`,
  `${company}/people`,
  `${company}/api-keys`,
  `${company}/api-keys/new`,
  `${company}/webhooks`,
  `${company}/webhooks/new`,
  `${company}/webhooks/${endpoint}`,
  `${company}/settings`,
  "/platform",
  "/platform/companies",
  "/platform/companies/new",
  `/platform/companies/:company{[a-z0-9-]{1,63}}`,
  "/platform/people",
  "/platform/keys",
  "/platform/migrations",
  `/platform/migrations/${run}`,
  "/platform/regions",
  "/platform/webhooks",
  "/platform/webhooks/new",
  `/platform/webhooks/${endpoint}`,
  "/platform/audit-log",
  "/platform/search",
  "/platform/runs",
  "/platform/approvals",
  "/platform/system",
];

/**
 * The admin app: the same page at each of its addresses, and the assets of the build.
 *
 * @param publicUrl whose host alone has pages. A company's host has none: its pages would be of the origin of that company's
 *   own requests.
 */
export function adminRoutes(files: AdminFiles, publicUrl: string): Hono<ApiEnv> {
  const publicHost = new URL(publicUrl).host;
  const onPublicHost =
    (serve: MiddlewareHandler<ApiEnv>): MiddlewareHandler<ApiEnv> =>
    (c, next) =>
      c.req.header("host")?.toLowerCase() === publicHost ? serve(c, next) : next();

  const servePage = onPublicHost((c) =>
    adminPageHeaders(c, async () => {
      c.res = c.html(files.page(c.get("secureHeadersNonce") ?? ""));
    }),
  );
  const serveAsset = onPublicHost(async (c, next) => {
    const asset = files.assets.get(c.req.path.slice("/assets/".length));
    if (asset === undefined) return next();
    const encoding = encodingFor(c);
    return c.body(asset.bytes[encoding], 200, {
      "content-type": asset.type,
      // Its name changes with its content.
      "cache-control": "public, max-age=31536000, immutable",
      vary: "accept-encoding",
      ...(encoding === "identity" ? {} : { "content-encoding": encoding }),
    });
  });

  const routes = new Hono<ApiEnv>();
  for (const page of pages) routes.get(page, servePage);
  return routes.get("/assets/*", serveAsset);
}

/** The smallest one that the client takes. */
function encodingFor(c: Context): Encoding {
  const accepted = parseAccept(c.req.header("accept-encoding") ?? "");
  const isTaken = (encoding: Encoding) => accepted.some(({ type, q }) => type === encoding && q > 0);
  return encodings.find(isTaken) ?? "identity";
}
