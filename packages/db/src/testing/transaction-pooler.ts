import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

// A pooler in transaction mode, as PgBouncer is one: a client has a server connection for one transaction, and the next
// one on another. Which one is drawn by lot, so that no test passes because the same one came back.

export interface TransactionPooler {
  /** The server's URL with the pooler's address in it. */
  readonly through: (url: string) => string;
  stop(): Promise<void>;
}

export interface PoolerOptions {
  /** Of the server behind. */
  readonly url: string;
  /** Server connections at most; a client waits for one. */
  readonly servers: number;
  /** Whether a statement that a client prepared on one server connection is prepared on the next one for it. */
  readonly tracksStatements: boolean;
}

interface Message {
  readonly type: string;
  readonly bytes: Buffer;
}

interface Server {
  readonly socket: Socket;
  readonly known: Set<string>;
  client: Client | undefined;
  /** Of each Parse that was not answered yet: whether the client has to see the answer, and before which Sync it stands. */
  parses: { readonly hidden: boolean; readonly batch: number }[];
  sent: number;
  answered: number;
  /** Something was sent behind the last Sync. */
  open: boolean;
}

interface Client {
  readonly socket: Socket;
  readonly statements: Map<string, Buffer>;
  waiting: Message[];
  server: Server | undefined;
}

export async function startTransactionPooler(options: PoolerOptions): Promise<TransactionPooler> {
  const target = new URL(options.url);
  const all = new Set<Socket>();
  const servers = new Set<Server>();
  const clients = new Set<Client>();

  const keep = (socket: Socket): void => {
    all.add(
      socket
        .setNoDelay()
        .on("error", () => {})
        .on("close", () => all.delete(socket)),
    );
  };

  function serve(client: Client): void {
    while (client.waiting.length > 0) {
      client.server ??= drawIdle(client);
      if (client.server === undefined) return;
      const message = client.waiting.shift();
      if (message !== undefined) pass(client, client.server, message);
    }
  }

  function drawIdle(client: Client): Server | undefined {
    const idle = [...servers].filter((server) => server.client === undefined);
    const drawn = idle[Math.floor(Math.random() * idle.length)];
    if (drawn !== undefined) drawn.client = client;
    return drawn;
  }

  function pass(client: Client, server: Server, { type, bytes }: Message): void {
    const name = statementNameOf(type, bytes);
    if (options.tracksStatements && name) {
      const parse = client.statements.get(name);
      if (type === "P") client.statements.set(name, bytes);
      else if (parse !== undefined && !server.known.has(name)) {
        server.socket.write(parse);
        server.parses.push({ hidden: true, batch: server.sent });
      }
      server.known.add(name);
    }
    if (type === "P") server.parses.push({ hidden: false, batch: server.sent });
    server.open = type !== "S" && type !== "Q";
    if (!server.open) server.sent += 1;
    server.socket.write(bytes);
  }

  function answer(server: Server, { type, bytes }: Message): void {
    const { client } = server;
    if (type === "1" && server.parses.shift()?.hidden === true) return;
    client?.socket.write(bytes);
    if (type !== "Z") return;
    server.parses = server.parses.filter(({ batch }) => batch !== server.answered);
    server.answered += 1;
    const isOver = String.fromCharCode(bytes[5] ?? 0) === "I";
    if (!isOver || server.open || server.answered < server.sent) return;
    server.client = undefined;
    if (client !== undefined) client.server = undefined;
    for (const waiting of [...clients].toSorted(() => Math.random() - 0.5)) serve(waiting);
  }

  /** The client proves itself to a server connection of its own, which is then everybody's. */
  function admit(client: Client, startup: Buffer, rest: (message: Message) => void): (bytes: Buffer) => void {
    const socket = connect(Number(target.port), target.hostname);
    keep(socket);
    socket.write(startup);
    const server: Server = {
      socket,
      known: new Set(),
      client: undefined,
      parses: [],
      sent: 0,
      answered: 0,
      open: false,
    };
    let admitted = false;
    const read = framed((message) => {
      if (admitted) return answer(server, message);
      client.socket.write(message.bytes);
      if (message.type !== "Z") return;
      admitted = true;
      if (servers.size < options.servers) servers.add(server);
      else socket.destroy();
    });
    socket.on("data", read).on("close", () => {
      servers.delete(server);
      if (!admitted) client.socket.destroy();
      server.client?.socket.destroy();
    });
    const later = framed(rest);
    return (bytes) => {
      if (admitted) later(bytes);
      else socket.write(bytes);
    };
  }

  const listener = createServer((socket) => {
    keep(socket);
    const client: Client = { socket, statements: new Map(), waiting: [], server: undefined };
    let next: ((bytes: Buffer) => void) | undefined;
    socket.on("data", (bytes) => {
      if (next !== undefined) return next(bytes);
      if (bytes.length === 8 && bytes.readInt32BE(4) === 80_877_103) return void socket.write("N");
      clients.add(client);
      next = admit(client, bytes, (message) => {
        if (message.type === "X") return void socket.end();
        client.waiting.push(message);
        serve(client);
      });
    });
    socket.on("close", () => {
      clients.delete(client);
      // Whatever it had open ends with the server connection.
      client.server?.socket.destroy();
    });
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  const address = listener.address();
  const port = String(typeof address === "object" ? address?.port : "");
  return {
    through: (url) => {
      const changed = new URL(url);
      changed.host = `127.0.0.1:${port}`;
      return changed.href;
    },
    stop: async () => {
      const closed = once(listener, "close");
      listener.close();
      for (const socket of all) socket.destroy();
      await closed;
    },
  };
}

/** Cuts a stream of the protocol into its messages: a letter, four bytes of length, the rest. */
function framed(take: (message: Message) => void): (bytes: Buffer) => void {
  let buffered = Buffer.alloc(0);
  return (bytes) => {
    buffered = Buffer.concat([buffered, bytes]);
    while (buffered.length >= 5 && buffered.length > buffered.readUInt32BE(1)) {
      const length = buffered.readUInt32BE(1) + 1;
      take({ type: String.fromCharCode(buffered[0] ?? 0), bytes: buffered.subarray(0, length) });
      buffered = buffered.subarray(length);
    }
  };
}

function statementNameOf(type: string, bytes: Buffer): string | undefined {
  const text = (from: number): string => bytes.toString("utf8", from, bytes.indexOf(0, from));
  if (type === "P") return text(5);
  if (type === "B") return text(bytes.indexOf(0, 5) + 1);
  if (type === "D" && bytes[5] === 83) return text(6);
  return undefined;
}
