// One NetworkManager that is told by text what to do and writes down what it sees: the half of a peer that lives where the SDK lives.

import type {
  ByteStream,
  ConnectionStatus,
  Message,
  NetworkManager,
  NetworkManagerOptions,
  OutgoingMessage,
  Room,
} from "linknet";
import type { Codec } from "./codec.js";

type Sdk = typeof import("linknet");

/** What happened at a peer, in the order in which it happened. */
export interface Entry {
  /** Who told it: an event, a callback of the contract, the loop over `messages()`, a room, a request handler, or a stream. */
  readonly from: "event" | "callback" | "loop" | "room" | "handler" | "stream";
  readonly name: string;
  readonly message?: Message;
  readonly peerId?: string;
  readonly status?: ConnectionStatus;
  readonly code?: string;
  readonly error?: { readonly code: string; readonly cause: string | null } | null;
  readonly path?: string;
  readonly previous?: string | null;
  readonly messageId?: string;
  readonly room?: string;
  /** Name of a stream, and how many bytes it has taken. */
  readonly stream?: string;
  readonly bytes?: number;
}

/** What can be done with a stream; `pour` writes in pieces, notes how far it has come, and closes. */
export type StreamAct =
  | { readonly act: "open"; readonly peerId: string }
  | { readonly act: "write"; readonly data: Uint8Array }
  | { readonly act: "pour"; readonly data: Uint8Array; readonly pieceBytes: number }
  /** Reads on until it has `most` bytes or more, or everything; gives back what was read. */
  | { readonly act: "read"; readonly most: number | null }
  | { readonly act: "close" | "abort" | "cancel" };

/** What an agent can be told. */
export type Command =
  | { readonly do: "create"; readonly options: NetworkManagerOptions }
  | { readonly do: "call"; readonly method: string; readonly args: readonly unknown[] }
  | {
      readonly do: "room";
      readonly room: string;
      readonly method: "members" | "broadcast" | "leave";
      readonly args: readonly unknown[];
    }
  | { readonly do: "abort"; readonly signal: string; readonly reason: string }
  /** A callback that throws or rejects does so on messages of type "throw" and "reject", on each status, on each error. */
  | {
      readonly do: "callback";
      readonly which: "Message" | "Connection" | "Error";
      readonly mode: "log" | "throw" | "reject" | "none";
    }
  /** An event handler that throws or rejects each time. */
  | { readonly do: "faultyHandler"; readonly event: "message" | "error" | "connection"; readonly mode: "throw" | "reject" }
  /** Begins a loop over `messages()`; it leaves after `take` messages, or stays. */
  | { readonly do: "loop"; readonly take: number | null }
  /** Answers requests of a type from now on, and notes each one, and when its signal aborts. */
  | { readonly do: "handle"; readonly type: string; readonly answer: "echo" | "refuse" | "throw" | "never" | "remove" }
  /** Sends `count` requests in one turn, with their numbers; gives back the payloads of the replies. */
  | { readonly do: "requests"; readonly peerId: string; readonly type: string; readonly count: number }
  /** Takes streams from now on, and notes each one. */
  | { readonly do: "takeStreams" }
  /** Does something with the stream of this name, opened here or taken. */
  | ({ readonly do: "stream"; readonly name: string } & StreamAct)
  /** Calls sendMessage `count` times in one turn; gives back how many returned `true`. */
  | { readonly do: "burst"; readonly peerId: string; readonly type: string; readonly count: number }
  /** Calls sendMessage with this payload until it returns `false`; gives back how many returned `true`. */
  | { readonly do: "fill"; readonly peerId: string; readonly message: OutgoingMessage; readonly most: number };

export interface Agent {
  /** @returns `{ value }` or `{ thrown }`, encoded */
  run(command: string): Promise<string>;
  /** The entries from number `from` on, encoded; waits for one if there is none yet. `null` once the agent has ended. */
  next(from: number): Promise<string>;
  /** How many entries there are. */
  count(): number;
  end(): void;
}

/** Self-contained, as its source text is run inside pages too. */
export function makeAgent(sdk: Sdk, makeCodec: (signalOf: (name: string) => AbortSignal) => Codec): Agent {
  const signals = new Map<string, AbortController>();
  const rooms = new Map<string, Room>();
  const handlers = new Map<string, () => void>();
  const streams = new Map<
    string,
    { readonly reader: ReadableStreamDefaultReader<Uint8Array>; readonly writer: WritableStreamDefaultWriter<Uint8Array> }
  >();
  const entries: string[] = [];
  let wake: (() => void)[] = [];
  let ended = false;
  let manager: NetworkManager | null = null;

  const controllerOf = (name: string): AbortController => {
    const controller = signals.get(name) ?? new AbortController();
    signals.set(name, controller);
    return controller;
  };
  const codec = makeCodec((name) => controllerOf(name).signal);

  const wakeAll = (): void => {
    const waiting = wake;
    wake = [];
    for (const one of waiting) one();
  };
  const note = (from: Entry["from"], name: string, data: object): void => {
    // Encoded now: what an application is given must not change later, and if it does, the test shall not see it.
    entries.push(codec.encode({ ...data, from, name }));
    wakeAll();
  };
  const net = (): NetworkManager => {
    if (!manager) throw new Error("create comes first");
    return manager;
  };

  const misbehave = (mode: string, what: string): unknown => {
    if (mode === "throw") throw new Error(`${what} threw`);
    return mode === "reject" ? Promise.reject(new Error(`${what} rejected`)) : undefined;
  };

  const setCallback = (which: "Message" | "Connection" | "Error", mode: "log" | "throw" | "reject" | "none"): void => {
    if (which === "Message") {
      net().setMessageCallback(
        mode === "none"
          ? null
          : (message) => {
              note("callback", "message", { message });
              return misbehave(message.type, "message callback") as undefined;
            },
      );
    } else if (which === "Connection") {
      net().setConnectionCallback(
        mode === "none"
          ? null
          : (peerId, status) => {
              note("callback", "connection", { peerId, status });
              return misbehave(mode, "connection callback") as undefined;
            },
      );
    } else {
      net().setErrorCallback(
        mode === "none"
          ? null
          : (error) => {
              note("callback", "error", { error, code: error.code });
              return misbehave(mode, "error callback") as undefined;
            },
      );
    }
  };

  const handle = (type: string, answer: "echo" | "refuse" | "throw" | "never"): void => {
    const remove = net().handle(type, async (message, { signal, peerId }) => {
      note("handler", "request", { message, peerId });
      signal.addEventListener("abort", () => note("handler", "aborted", { peerId, code: signal.reason.code }));
      if (answer === "refuse") throw new sdk.RequestError("NO_SUCH_THING", "for our own eyes");
      if (answer === "throw") throw new Error("for our own eyes");
      if (answer === "never") await new Promise(() => {});
      return message.payload;
    });
    handlers.set(type, remove);
  };

  const requests = async (peerId: string, type: string, count: number): Promise<unknown[]> => {
    const replies = Array.from({ length: count }, (_, payload) => net().request(peerId, { type, payload }));
    return (await Promise.all(replies)).map((reply) => reply.payload);
  };

  const keepStream = (stream: ByteStream): void => {
    const writer = stream.writable.getWriter();
    // What fails is told by the calls.
    writer.closed.catch(() => undefined);
    streams.set(stream.name, { reader: stream.readable.getReader(), writer });
  };

  const pour = async (name: string, data: Uint8Array, pieceBytes: number): Promise<void> => {
    const writer = streams.get(name)?.writer;
    try {
      for (let at = 0; at < data.length; at += pieceBytes) {
        await writer?.write(data.subarray(at, at + pieceBytes));
        note("stream", "written", { stream: name, bytes: Math.min(at + pieceBytes, data.length) });
      }
      await writer?.close();
      note("stream", "poured", { stream: name });
    } catch (error) {
      note("stream", "failed", { stream: name, code: error instanceof sdk.NetworkError ? error.code : String(error) });
    }
  };

  const read = async (reader: ReadableStreamDefaultReader<Uint8Array>, most: number | null): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = [];
    let length = 0;
    while (most === null || length < most) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      length += value.length;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  };

  const onStream = async (name: string, what: StreamAct): Promise<unknown> => {
    if (what.act === "open") return keepStream(net().openStream(what.peerId, name));
    const stream = streams.get(name);
    if (!stream) throw new Error("there is no such stream");
    switch (what.act) {
      case "write":
        return stream.writer.write(what.data);
      case "pour":
        void pour(name, what.data, what.pieceBytes);
        return undefined;
      case "read":
        return read(stream.reader, what.most);
      case "cancel":
        return stream.reader.cancel();
      default:
        return stream.writer[what.act]();
    }
  };

  const create = (options: NetworkManagerOptions): string => {
    manager = new sdk.NetworkManager(options);
    manager.on("message", (message) => note("event", "message", { message }));
    manager.on("error", (error) => note("event", "error", { error, code: error.code }));
    for (const name of ["connection", "path", "delivered", "failed", "drain", "relay"] as const) {
      manager.on(name, (event) => note("event", name, event));
    }
    for (const which of ["Message", "Connection", "Error"] as const) setCallback(which, "log");
    return manager.peerId;
  };

  const call = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    const target = net() as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
    if (method === "joinRoom") {
      const room = await net().joinRoom(...(args as Parameters<NetworkManager["joinRoom"]>));
      if (!rooms.has(room.name)) {
        for (const name of ["join", "leave"] as const) room.on(name, (peerId) => note("room", name, { peerId, room: room.name }));
      }
      rooms.set(room.name, room);
      return [...room.members];
    }
    const member = target[method];
    return typeof member === "function" ? member.apply(manager, [...args]) : member;
  };

  const loop = async (take: number | null): Promise<void> => {
    let taken = 0;
    const messages = net().messages();
    note("loop", "begin", {});
    for await (const message of messages) {
      note("loop", "message", { message });
      taken++;
      if (taken === take) break;
    }
    note("loop", "end", {});
  };

  const perform = async (command: Command): Promise<unknown> => {
    switch (command.do) {
      case "create":
        return create(command.options);
      case "call":
        return call(command.method, command.args);
      case "room": {
        const room = rooms.get(command.room);
        if (!room) throw new Error("joinRoom comes first");
        if (command.method === "members") return [...room.members];
        if (command.method === "broadcast") return room.broadcast(command.args[0] as OutgoingMessage);
        rooms.delete(command.room);
        return room.leave();
      }
      case "abort":
        return controllerOf(command.signal).abort(new Error(command.reason));
      case "callback":
        return setCallback(command.which, command.mode);
      case "faultyHandler":
        net().on(command.event, () => misbehave(command.mode, `${command.event} handler`) as undefined);
        return undefined;
      case "loop":
        void loop(command.take);
        return undefined;
      case "handle":
        if (command.answer === "remove") handlers.get(command.type)?.();
        else handle(command.type, command.answer);
        return undefined;
      case "requests":
        return requests(command.peerId, command.type, command.count);
      case "takeStreams":
        net().on("stream", ({ peerId, name, stream }) => {
          keepStream(stream);
          note("event", "stream", { peerId, stream: name });
        });
        return undefined;
      case "stream":
        return onStream(command.name, command);
      case "burst": {
        let taken = 0;
        for (let i = 0; i < command.count; i++)
          if (net().sendMessage(command.peerId, { type: command.type, payload: i })) taken++;
        return taken;
      }
      case "fill": {
        let taken = 0;
        while (taken < command.most && net().sendMessage(command.peerId, command.message)) taken++;
        return taken;
      }
    }
  };

  return {
    async run(text) {
      try {
        return codec.encode({ value: await perform(codec.decode(text) as Command) });
      } catch (error) {
        const isNetworkError = error instanceof sdk.NetworkError;
        return codec.encode({ thrown: error instanceof Error ? error : new Error(String(error)), isNetworkError });
      }
    },
    async next(from) {
      while (entries.length <= from && !ended) await new Promise<void>((resolve) => wake.push(resolve));
      return entries.length > from ? `[${entries.slice(from).join(",")}]` : "null";
    },
    count: () => entries.length,
    end() {
      ended = true;
      wakeAll();
    },
  };
}
