import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

/** What a name of the server has. A look-up of `silent` gets no answer at all. */
export interface DnsName {
  readonly addresses?: readonly string[];
  readonly alias?: string;
  readonly failure?: "NXDOMAIN" | "SERVFAIL" | "silent";
  /** Where only look-ups of this type fail. */
  readonly failing?: "A" | "AAAA";
}

export interface DnsServer {
  /** For `createDnsResolve`. */
  readonly address: string;
  names: Readonly<Record<string, DnsName>>;
  stop(): Promise<void>;
}

const types = { A: 1, CNAME: 5, AAAA: 28 } as const;
const codes = { NXDOMAIN: 3, SERVFAIL: 2 } as const;

/** A DNS server over UDP on 127.0.0.1, with the records that a test gives it. */
export async function startDnsServer(names: DnsServer["names"]): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const server: DnsServer = {
    address: "",
    names,
    async stop() {
      socket.close();
      await once(socket, "close");
    },
  };
  socket.on("message", (query, from) => {
    const answer = answerTo(query, server.names);
    if (answer !== undefined) socket.send(answer, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return Object.assign(server, { address: `127.0.0.1:${socket.address().port}` });
}

function answerTo(query: Buffer, names: DnsServer["names"]): Buffer | undefined {
  const end = query.indexOf(0, 12) + 5;
  const question = query.subarray(12, end);
  const type = query.readUInt16BE(end - 4);
  let name = nameOf(question);
  const records: Buffer[] = [];
  let entry = names[name];
  for (; entry?.alias !== undefined; entry = names[name]) {
    records.push(record(name, types.CNAME, encoded(entry.alias)));
    name = entry.alias;
  }
  const fails = entry?.failing === undefined || types[entry.failing] === type;
  const failure = entry === undefined ? "NXDOMAIN" : fails ? entry.failure : undefined;
  if (failure === "silent") return undefined;
  for (const address of entry?.addresses ?? []) {
    if ((isIPv6(address) ? types.AAAA : types.A) !== type) continue;
    records.push(record(name, type, Buffer.from(ipaddr.parse(address).toByteArray())));
  }
  const code = failure === undefined ? 0 : codes[failure];
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question, ...records]);
}

function nameOf(question: Buffer): string {
  const labels: string[] = [];
  for (let at = 0; question[at] !== 0; at += 1 + (question[at] ?? 0)) {
    labels.push(question.toString("latin1", at + 1, at + 1 + (question[at] ?? 0)));
  }
  // A client may spell the letters of its question at random, to know its answer again.
  return labels.join(".").toLowerCase();
}

function encoded(name: string): Buffer {
  const labels = name.split(".").map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}

/** With a time to live of 0. */
function record(name: string, type: number, data: Buffer): Buffer {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(1, 2);
  fields.writeUInt16BE(data.length, 8);
  return Buffer.concat([encoded(name), fields, data]);
}
