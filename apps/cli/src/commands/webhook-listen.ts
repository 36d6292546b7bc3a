import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { NotificationKeys, VerifiedNotification } from "@repo/tenant-secrets/client";
import { wholeNumber } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { readWebhookSecrets } from "../env.ts";
import { UsageError } from "../failure.ts";
import { listenForInterruption } from "../interruption.ts";
import { print, printJson, remark } from "../output.ts";

const defaultPort = 9100;
/** Sixteen times what a notification can have. */
const maxBodyBytes = 65_536;

export const listenCommand = defineCommand({
  positionals: [],
  options: {
    port: { type: "string", value: "number", help: `The port on 127.0.0.1; ${defaultPort} unless given` },
    "public-key": {
      type: "string",
      multiple: true,
      value: "whpk_…",
      help: "The public key of an endpoint; may be given more than once",
    },
  },
  details: `Receives notifications on this machine until Ctrl-C, verifies each with a public key or a secret of the endpoint, and prints
a line for it, with --json the notification. Secrets are read from WEBHOOK_SECRET, with commas between them, or from the file
that WEBHOOK_SECRET_FILE names. What is verified is answered with 204; what is not, with 401 and a line on
standard error. A server sends to 127.0.0.1 where its OUTBOUND_ALLOW names the port: for development alone.`,
  examples: [
    "webhooks listen --public-key whpk_7nYqJ0Zr1dXk2bVwS5tQ8uM3oLcEaHgF9iPjRsTxUyA=",
    "WEBHOOK_SECRET_FILE=webhook.secret pnpm secrets webhooks listen --port 9200 --json",
  ],
  run: async ({ port: given, "public-key": publicKeys, json }) => {
    const secrets = readWebhookSecrets();
    const port = wholeNumber("port", given) ?? defaultPort;
    const { verifyNotification } = await import("@repo/tenant-secrets/client");
    const verify = verifierOf(verifyNotification, { secrets, publicKeys });
    await verify.checkKeys();
    using interruption = listenForInterruption("Stopping.");
    const server = createServer((request, response) => {
      void receive(request, verify).then(
        (received) => answer(response, received, json),
        () => response.destroy(),
      );
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening").catch(() => {
      throw new UsageError("--port is taken, or may not be listened at.");
    });
    remark(`Listening at http://127.0.0.1:${port}, until Ctrl-C.`);
    if (!interruption.signal.aborted) await once(interruption.signal, "abort");
    server.close();
    server.closeAllConnections();
  },
});

interface Verifier {
  /** @throws {UsageError} where there is no key, or one that is malformed */
  checkKeys(): Promise<void>;
  /** @returns undefined for what no key has signed */
  find(request: {
    readonly headers: IncomingMessage["headers"];
    readonly body: Buffer;
  }): Promise<VerifiedNotification | undefined>;
}

function verifierOf(
  verifyNotification: typeof import("@repo/tenant-secrets/client").verifyNotification,
  keys: NotificationKeys,
): Verifier {
  const codeOf = (error: unknown): unknown =>
    error instanceof Error && "code" in error ? error.code : undefined;
  return {
    checkKeys: async () => {
      // Keys are looked at before the request, which is refused.
      await verifyNotification(keys, { headers: {}, body: "" }).catch((error: unknown) => {
        if (codeOf(error) === "INVALID_INPUT" && error instanceof Error) throw new UsageError(error.message);
      });
    },
    find: (request) =>
      verifyNotification(keys, request).catch((error: unknown) => {
        if (codeOf(error) === "UNAUTHENTICATED") return undefined;
        throw error;
      }),
  };
}

/** What a request is answered with, and what is said of it. */
interface Received {
  readonly status: 204 | 401 | 405 | 413;
  readonly body?: string;
  readonly verified?: VerifiedNotification;
}

async function receive(request: IncomingMessage, verifier: Verifier): Promise<Received> {
  if (request.method !== "POST") return { status: 405 };
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const buffer = Buffer.from(chunk);
    chunks.push(buffer);
    bytes += buffer.length;
    if (bytes > maxBodyBytes) return { status: 413 };
  }
  const body = Buffer.concat(chunks);
  const verified = await verifier.find({ headers: request.headers, body });
  return verified === undefined ? { status: 401 } : { status: 204, body: body.toString("utf8"), verified };
}

function answer(response: ServerResponse, { status, body = "", verified }: Received, json: boolean): void {
  response.writeHead(status, { connection: "close" }).end();
  if (verified === undefined) remark(refusals[status] ?? "");
  else if (json) printJson(verified.notification ?? JSON.parse(body));
  else print(lineOf(verified));
}

const refusals: Readonly<Partial<Record<Received["status"], string>>> = {
  401: "A request was refused: no key that is given has signed it within the last five minutes.",
  405: "A request was refused: it is no POST.",
  413: "A request was refused: it is too large for a notification.",
};

/** "secret.rotated  acmecorp SENDGRID_API_KEY version 3  msg_…" */
function lineOf({ id, notification }: VerifiedNotification): string {
  if (notification === undefined) return `A type that this release does not know  ${id}`;
  const { type, data } = notification;
  const about = [
    data.company?.subdomain,
    "secretKey" in data ? data.secretKey : undefined,
    "secretVersion" in data && data.secretVersion !== undefined ? `version ${data.secretVersion}` : undefined,
  ].filter((part) => part !== undefined);
  return [type, ...(about.length === 0 ? [] : [about.join(" ")]), id].join("  ");
}
