import { asTenantSecretsError, systemCaller, type TenantSecrets } from "@repo/tenant-secrets";
import { httpStatusOf } from "@repo/tenant-secrets/http";
import { Hono } from "hono";
import { z } from "zod";
import type { courierCatalog } from "./catalog.ts";

/** The part of Courier that ships parcels. It may use these two secrets of any shop, and do nothing else. */
const shipping = systemCaller("shipping", { verbs: ["use"], secretKeys: ["CARRIER_*"] });

const Shipment = z.object({ tracking: z.string() });

export function createApp(secrets: TenantSecrets<typeof courierCatalog>, carrierUrl: string): Hono {
  const app = new Hono();

  app.post("/shops/:shop/parcels", async (c) => {
    const carrierKey = await secrets.company(c.req.param("shop"), shipping).get("CARRIER_API_KEY");
    const shipped = await fetch(carrierUrl, {
      method: "POST",
      headers: { authorization: `Bearer ${carrierKey}` },
    });
    return c.json(Shipment.parse(await shipped.json()));
  });

  /** What the carrier tells of a shop's parcels, signed with the secret that the shop shares with the carrier. */
  app.post("/shops/:shop/events", async (c) => {
    const request = { headers: c.req.raw.headers, body: new Uint8Array(await c.req.arrayBuffer()) };
    await secrets.company(c.req.param("shop"), shipping).verifyWebhook("CARRIER_WEBHOOK_SECRET", request);
    return c.body(null, 204);
  });

  /** The typed API, for the shops' own pages and programs. */
  app.all("/trpc/*", (c) => secrets.handler(c.req.raw));

  app.onError((thrown) => {
    const error = asTenantSecretsError(thrown);
    return Response.json(
      { error: { reason: error.code, message: error.message } },
      { status: httpStatusOf(error) },
    );
  });
  return app;
}
