import {
  type DriverCall,
  DriverError,
  isMarker,
  Plaintext,
  type ProviderDriver,
} from "@repo/tenant-secrets/drivers";
import { z } from "zod";

const Settings = z.strictObject({});
type Call = DriverCall<z.infer<typeof Settings>>;
const Made = z.object({ id: z.string().min(1), key: z.string().min(1) });
const Listed = z.object({ keys: z.array(z.object({ id: z.string(), name: z.string() })) });
const Me = z.object({ account: z.string() });

/** Renews the API keys of a carrier. Each is made with the rights of the current one. */
export function createCarrierDriver(url: string): ProviderDriver<z.infer<typeof Settings>> {
  async function ask(call: Call, key = call.manager, [method, path, name]: Question = ["GET", "/me"]) {
    if (key === undefined) throw new DriverError("misconfigured");
    const headers = { authorization: `Bearer ${key.reveal()}`, "content-type": "application/json" };
    const body = name === undefined ? undefined : JSON.stringify({ name });
    const sent = call.fetch(url + path, { method, headers, body, signal: call.signal });
    const { status, body: bytes } = await sent.catch(() => Promise.reject(new DriverError("transient")));
    if (status === 401 || status === 403) throw new DriverError("not-allowed");
    if (status === 409) throw new DriverError("limit");
    return { status, text: bytes.toString() };
  }
  const list = async (call: Call) =>
    read(Listed, await ask(call, call.manager, ["GET", "/keys"])).keys.map(({ id, name }) => ({
      ref: id,
      marker: name,
    }));

  return {
    name: "carrier",
    creates: "provider",
    settings: Settings,
    overlap: "both-valid",
    settleSeconds: 30,
    manager: "self",
    async create(call) {
      const { id, key } = read(Made, await ask(call, call.manager, ["POST", "/keys", call.marker]));
      return { value: Plaintext.fromText(key), ref: id };
    },
    find: async (call) => (await list(call)).filter(({ marker }) => isMarker(marker)),
    async test(call, value) {
      try {
        read(Me, await ask(call, value));
        return "accepted";
      } catch (error) {
        return error instanceof DriverError && error.code === "not-allowed" ? "rejected" : "unknown";
      }
    },
    async retire(call, { ref, marker }) {
      const key = (await list(call)).find((listed) => listed.ref === ref);
      if (key === undefined) return "gone";
      if (marker !== undefined && key.marker !== marker) throw new DriverError("misconfigured");
      const { status } = await ask(call, call.manager, ["DELETE", `/keys/${encodeURIComponent(ref)}`]);
      if (status === 204) return "retired";
      if (status === 404) return "gone";
      throw new DriverError("transient");
    },
  };
}

type Question = readonly [method: "GET" | "POST" | "DELETE", path: string, name?: string];

/** What is no JSON of this shape comes from something in between, or is no whole answer. */
function read<Shape extends z.ZodType>(shape: Shape, { text }: { readonly text: string }): z.output<Shape> {
  try {
    return shape.parse(JSON.parse(text));
  } catch {
    throw new DriverError("transient");
  }
}
