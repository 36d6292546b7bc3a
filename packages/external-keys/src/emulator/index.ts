import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createKeys, Refusal, type EmulatedKey } from "./keys.ts";
import { signedRegion, type EmulatedCredentials } from "./signature.ts";

/** What happens to calls instead of an answer, until it is taken back. */
export type KmsFault =
  | { readonly kind: "status"; readonly status: number; readonly type?: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "plaintext"; readonly bytes: number }
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "hang" }
  | { readonly kind: "stall" }
  | { readonly kind: "reset" };

interface KmsCall {
  readonly operation: string;
  readonly key: string;
}

export interface LocalKms {
  readonly url: string;
  /** Made for this server; the only one that it accepts. */
  readonly credentials: EmulatedCredentials;
  addKey(region?: string, account?: string): EmulatedKey;
  destroyKey(arn: string): void;
  /** The calls that had a valid signature, in order. */
  readonly calls: readonly KmsCall[];
  /** @param fault of all calls from now on; undefined: none */
  fail(fault: KmsFault | undefined): void;
  stop(): Promise<void>;
}

/**
 * A KMS that speaks the JSON protocol of AWS KMS (Encrypt, Decrypt, DescribeKey) on 127.0.0.1, with real AES-GCM keys in memory. It checks
 * the signature of each request, the key that is asked for and the encryption context.
 *
 * @param port 0: any free one
 */
export async function startLocalKms(port = 0): Promise<LocalKms> {
  const credentials = { accessKeyId: "AKIAFAKELOCALKMS", secretAccessKey: "fake-secret-of-the-local-kms" };
  const keys = createKeys();
  const calls: KmsCall[] = [];
  let fault: KmsFault | undefined;

  const answer = (operation: string, input: Readonly<Record<string, unknown>>): object => {
    const key = String(input["KeyId"]);
    const context = contextOf(input["EncryptionContext"]);
    const bytes = (name: string) => Buffer.from(String(input[name]), "base64");
    switch (operation) {
      case "Encrypt": {
        const blob = keys.encrypt(key, bytes("Plaintext"), context);
        return { CiphertextBlob: blob.toString("base64"), KeyId: key };
      }
      case "Decrypt": {
        const plaintext = keys.decrypt(key, bytes("CiphertextBlob"), context);
        const given = fault?.kind === "plaintext" ? Buffer.alloc(fault.bytes, 7) : plaintext;
        return { Plaintext: given.toString("base64"), KeyId: key };
      }
      case "DescribeKey":
        return { KeyMetadata: { KeyId: key, Arn: key, Enabled: keys.describe(key).enabled } };
      default:
        throw new Refusal("UnknownOperationException");
    }
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const send = (status: number, content: object | string): void => {
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
      response.end(typeof content === "string" ? content : JSON.stringify(content));
    };
    const region = signedRegion(request, body, credentials);
    if (region === undefined) return send(400, { __type: "InvalidSignatureException" });
    const operation = String(request.headers["x-amz-target"]).replace(/^TrentService\./, "");
    const input = inputOf(body);
    const key = String(input["KeyId"]);
    calls.push({ operation, key });
    switch (fault?.kind) {
      case "status":
        return send(fault.status, { __type: fault.type ?? "KMSInternalException" });
      case "text":
        return send(200, fault.text);
      case "reset":
        return void request.socket.destroy();
      case "hang":
        return;
      case "stall":
        return void response.writeHead(200, { "content-type": "application/x-amz-json-1.1" }).write("{");
      case "delay":
        await new Promise((resolve) => setTimeout(resolve, fault?.kind === "delay" ? fault.ms : 0));
        break;
      case "plaintext":
      case undefined:
    }
    try {
      if (key.split(":")[3] !== region) throw new Refusal("NotFoundException");
      send(200, answer(operation, input));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      send(error.status, { __type: error.type });
    }
  };

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server on TCP has a port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    credentials,
    addKey: keys.add,
    destroyKey: keys.destroy,
    calls,
    fail: (next) => void (fault = next),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function inputOf(body: Buffer): Readonly<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(body.toString("utf8"));
  return typeof parsed === "object" && parsed !== null ? Object.fromEntries(Object.entries(parsed)) : {};
}

function contextOf(value: unknown): Readonly<Record<string, string>> {
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]))
    : {};
}
