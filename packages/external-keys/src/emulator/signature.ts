import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** The access key that the local KMS knows. It opens nothing else. */
export interface EmulatedCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const form =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/kms\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;

/**
 * Whether a request is signed by AWS's Signature Version 4 for service `kms`, with its body among what is signed.
 *
 * @returns the region that it was signed for; undefined where it is not
 */
export function signedRegion(
  request: IncomingMessage,
  body: Buffer,
  { accessKeyId, secretAccessKey }: EmulatedCredentials,
): string | undefined {
  const [, id, day = "", region = "", names = "", signature = ""] =
    form.exec(request.headers.authorization ?? "") ?? [];
  const date = String(request.headers["x-amz-date"]);
  if (id !== accessKeyId || !date.startsWith(day)) return undefined;
  const headers = names.split(";");
  if (!["host", "x-amz-date", "x-amz-target"].every((name) => headers.includes(name))) return undefined;
  const url = new URL(request.url ?? "/", "http://local");
  const canonical = [
    request.method,
    url.pathname,
    url.search.slice(1),
    ...headers.map((name) => `${name}:${String(request.headers[name]).trim().replaceAll(/ +/g, " ")}`),
    "",
    names,
    sha256(body),
  ].join("\n");
  const scope = `${day}/${region}/kms/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", date, scope, sha256(Buffer.from(canonical))].join("\n");
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`);
  for (const part of [day, region, "kms", "aws4_request"]) key = hmac(key, part);
  return timingSafeEqual(hmac(key, text), Buffer.from(signature, "hex")) ? region : undefined;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
