import { Hono } from "hono";
import { NONCE, secureHeaders } from "hono/secure-headers";

const always = {
  strictTransportSecurity: "max-age=31536000; includeSubDomains",
  xFrameOptions: "DENY",
};

const grantedFeatures = ["clipboardWrite", "publickeyCredentialsGet", "publickeyCredentialsCreate"];

/** What browsers grant a page by default, or let it ask its person for. Chromium reports names that it does not know as errors. */
const deniedFeatures = [
  "accelerometer",
  "autoplay",
  "browsingTopics",
  "camera",
  "clipboardRead",
  "displayCapture",
  "encryptedMedia",
  "fullscreen",
  "gamepad",
  "geolocation",
  "gyroscope",
  "hid",
  "identityCredentialsGet",
  "idleDetection",
  "localFonts",
  "magnetometer",
  "microphone",
  "midi",
  "payment",
  "pictureInPicture",
  "screenWakeLock",
  "serial",
  "storageAccess",
  "usb",
  "windowManagement",
  "xrSpatialTracking",
];

/**
 * The headers that every response begins with: it is data for programs, and a browser that opens it executes, frames and passes
 * on nothing. A page sets its own in their place. The server sets them below Hono, where a header costs a twentieth.
 */
export async function headersOfData(): Promise<Map<string, string>> {
  const contentSecurityPolicy = {
    defaultSrc: ["'none'"],
    frameAncestors: ["'none'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
  };
  const app = new Hono().use(secureHeaders({ contentSecurityPolicy, ...always }));
  const { headers } = await app.get("/", (c) => c.body(null)).request("/");
  return new Map(headers);
}

/**
 * Of the admin app's pages. Scripts are the build's own files: an injected one does not run, and no text becomes markup or
 * code. Styles are files too, or carry the nonce, which is new in each response and in the context as `secureHeadersNonce`.
 */
export const adminPageHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'", NONCE],
    imgSrc: ["'self'"],
    fontSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
    requireTrustedTypesFor: ["'script'"],
    trustedTypes: ["'none'"],
  },
  permissionsPolicy: {
    ...Object.fromEntries(deniedFeatures.map((feature) => [feature, []])),
    // The types of the library lack the last one.
    ...Object.fromEntries(grantedFeatures.map((feature) => [feature, ["self"]])),
  },
  ...always,
});
