import { pipeline, Readable, Transform } from "node:stream";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { ExternalKeyFailure } from "./external-keys.ts";

/** Bytes of an answer, at most. A ciphertext of 6,144 bytes has 8,192 in base64. */
const maxBytes = 32_768;

/** As the library's own handler, but an answer that is longer than {@link maxBytes} fails. */
export class BoundedHandler extends NodeHttpHandler {
  override async handle(
    ...args: Parameters<NodeHttpHandler["handle"]>
  ): ReturnType<NodeHttpHandler["handle"]> {
    const answer = await super.handle(...args);
    const { body } = answer.response;
    if (body instanceof Readable) answer.response.body = bounded(body);
    return answer;
  }
}

function bounded(body: Readable): Readable {
  let bytes = 0;
  const limit = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) done(new ExternalKeyFailure("wrong", "its answer is too long"));
      else done(null, chunk);
    },
  });
  // An error of either destroys both; the reader sees it.
  return pipeline(body, limit, () => {});
}
