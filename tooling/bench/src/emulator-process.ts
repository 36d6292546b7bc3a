import { once } from "node:events";
import { startInfisicalEmulator } from "@repo/infisical/emulator";

// A process of its own, so that what it does costs its callers nothing but the wait, as a server elsewhere would.

const emulator = await startInfisicalEmulator();
const { siteUrl, clientId, clientSecret, projectId } = emulator;
process.send?.({ siteUrl, clientId, clientSecret, projectId });
// Whatever its parent asks, it is how many requests have come so far, of the last 10,000.
process.on("message", () => process.send?.(emulator.requests().length));
await once(process, "disconnect");
await emulator.stop();
