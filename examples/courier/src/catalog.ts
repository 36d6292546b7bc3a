import { defineCatalog, jsonSecret, textSecret } from "@repo/tenant-secrets/client";
import { z } from "zod";

/** The secrets that the shops which send parcels with Courier entrust to it. */
export const courierCatalog = defineCatalog({
  CARRIER_API_KEY: textSecret(z.string().regex(/^ck_[a-z0-9]{16}$/), {
    label: "Carrier API key",
    purpose: "Hands parcels of the shop to its carrier.",
    rule: "is an API key of the carrier, ck_ and 16 characters",
    check: "carrier",
  }),
  CARRIER_WEBHOOK_SECRET: textSecret(z.string().min(16), {
    label: "Carrier webhook secret",
    rule: "is a secret of 16 characters or more",
    signatures: "carrier",
  }),
  WAREHOUSE_LOGIN: jsonSecret(z.strictObject({ user: z.string().min(1), password: z.string().min(8) }), {
    label: "Warehouse login",
    rule: 'is {"user": …, "password": …} with a password of 8 characters or more',
  }),
});
