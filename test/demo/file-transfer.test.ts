import { type EventHandler, type Message, NetworkError, type NetworkEvents, type OutgoingMessage } from "linknet";
import { describe, expect, test } from "vitest";
import {
  CHUNK_BYTES,
  type FileCancel,
  type FileChunk,
  fileCancel,
  fileChunk,
  fileOffer,
  newTransferId,
} from "../../demo-web/chat/chat-protocol.js";
import { FileReceiver, MAX_OPEN_PER_PEER } from "../../demo-web/chat/file-receiver.js";
import {
  FILES_AT_ONCE,
  FileSender,
  type FileSource,
  type SendingNetwork,
  STALL_MS,
  WINDOW_CHUNKS,
} from "../../demo-web/chat/file-sender.js";
import { routeMessage } from "../../demo-web/chat/incoming.js";

const ALICE = "alice";
const BOB = "bob";

type Handlers = {
  readonly delivered: EventHandler<NetworkEvents["delivered"]>[];
  readonly failed: EventHandler<NetworkEvents["failed"]>[];
};

/** What was sent is acknowledged only when the test says so. */
class FakeNetwork implements SendingNetwork {
  /** Parts of files, in the order sent. */
  readonly sent: { readonly message: OutgoingMessage; readonly acknowledge: () => void; readonly fail: () => void }[] = [];
  /** What is not part of a file: cancels. */
  readonly told: OutgoingMessage[] = [];
  readonly #handlers: Handlers = { delivered: [], failed: [] };
  onSend: (message: OutgoingMessage) => void = () => undefined;
  automatic = false;
  /** Full for so many calls. */
  full = 0;

  on<Name extends keyof NetworkEvents>(name: Name, handler: EventHandler<NetworkEvents[Name]>): () => void {
    const handlers = this.#handlers[name as keyof Handlers] as unknown[];
    handlers.push(handler);
    return () => void handlers.splice(handlers.indexOf(handler), 1);
  }

  sendMessage(peerId: string, message: OutgoingMessage): boolean {
    if (message.type === fileCancel.type) return this.told.push(message) > 0;
    if (this.full > 0) {
      this.full -= 1;
      return false;
    }
    const messageId = message.id ?? "";
    const error = new NetworkError("ERR_SESSION_LOST");
    const acknowledge = (): void => {
      for (const handler of this.#handlers.delivered) handler({ peerId, messageId });
    };
    const fail = (): void => {
      for (const handler of this.#handlers.failed) handler({ peerId, messageId, error });
    };
    this.sent.push({ message, acknowledge, fail });
    this.onSend(message);
    if (this.automatic) void Promise.resolve().then(acknowledge);
    return true;
  }

  async ready(): Promise<void> {}
}

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31) % 251);
}

function sourceOf(bytes: Uint8Array, name = "data.bin"): FileSource {
  return { name, size: bytes.length, mime: "", read: async (offset, length) => bytes.slice(offset, offset + length) };
}

/** Lets everything happen that needs no more than promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
}

function makeSender(network: SendingNetwork) {
  const ended: string[] = [];
  const progress: number[] = [];
  const clock = { now: 0 };
  const events = {
    progress: (_peer: string, _id: string, bytes: number) => void progress.push(bytes),
    ended: (peer: string, _id: string, outcome: string) => void ended.push(`${peer} ${outcome}`),
  };
  return { sender: new FileSender(network, events, () => clock.now), ended, progress, clock };
}

function makeReceiver(maxKeptBytes = 1_000_000_000) {
  const log: string[] = [];
  const refused: FileCancel[] = [];
  const receiver = new FileReceiver<Uint8Array>(
    () => {
      const parts: Uint8Array[] = [];
      return {
        write: (data) => void parts.push(data.slice()),
        finish: () => new Uint8Array(Buffer.concat(parts)),
        abort: () => void log.push("thrown away"),
      };
    },
    {
      started: (peer, { name }) => void log.push(`${peer} starts ${name}`),
      progress: () => undefined,
      finished: (peer, _id, file) => {
        log.push(`${peer} finishes ${file.length}`);
        finished.push(file);
      },
      failed: (peer, _id, reason) => void log.push(`${peer} fails: ${reason}`),
      refuse: (_peer, cancel) => void refused.push(cancel),
    },
    maxKeptBytes,
  );
  const finished: Uint8Array[] = [];
  return { receiver, log, refused, finished };
}

function offerOf(size: number, transferId = newTransferId()) {
  return { transferId, name: "data.bin", size, mime: "" };
}

describe("a file on its way", () => {
  test.each([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 77])("arrives bit for bit with %i bytes", async (size) => {
    const network = new FakeNetwork();
    network.automatic = true;
    const { sender, ended, progress } = makeSender(network);
    const { receiver, finished } = makeReceiver();
    network.onSend = ({ type, payload }) => {
      const message: Message = { type, payload, id: "", senderId: ALICE, timestamp: 0 };
      routeMessage(message, { text: () => undefined, receiver, sender }, 0);
    };
    const bytes = bytesOf(size);
    expect(await sender.send(BOB, newTransferId(), sourceOf(bytes))).toBe("sent");
    expect(ended).toEqual(["bob sent"]);
    expect(progress.at(-1) ?? 0).toBe(size);
    expect(finished).toHaveLength(1);
    expect(Buffer.from(finished[0] ?? []).equals(Buffer.from(bytes))).toBe(true);
  });

  test("is never more than a window ahead of what the other side has", async () => {
    const network = new FakeNetwork();
    const { sender, progress } = makeSender(network);
    void sender.send(BOB, newTransferId(), sourceOf(bytesOf((WINDOW_CHUNKS + 5) * CHUNK_BYTES)));
    await settle();
    network.sent[0]?.acknowledge();
    await settle();
    expect(network.sent).toHaveLength(1 + WINDOW_CHUNKS);
    expect(progress).toEqual([]);
    network.sent[1]?.acknowledge();
    await settle();
    expect(network.sent).toHaveLength(2 + WINDOW_CHUNKS);
    expect(progress).toEqual([CHUNK_BYTES]);
  });

  test("waits for its turn when many go to one peer, and not for those to another", async () => {
    const network = new FakeNetwork();
    const { sender } = makeSender(network);
    for (let count = 0; count < FILES_AT_ONCE + 2; count++) void sender.send(BOB, newTransferId(), sourceOf(bytesOf(0)));
    void sender.send("carol", newTransferId(), sourceOf(bytesOf(0)));
    await settle();
    expect(network.sent).toHaveLength(FILES_AT_ONCE + 1);
    // Offer, then end: the first is through and the next one begins.
    network.sent[0]?.acknowledge();
    await settle();
    network.sent.at(-1)?.acknowledge();
    await settle();
    expect(network.sent.filter(({ message }) => message.type === fileOffer.type)).toHaveLength(FILES_AT_ONCE + 2);
  });

  test("goes on after the queue was full, in the same order", async () => {
    const network = new FakeNetwork();
    network.automatic = true;
    const { sender } = makeSender(network);
    network.full = 2;
    network.onSend = () => {
      network.full = network.sent.length % 3;
    };
    expect(await sender.send(BOB, newTransferId(), sourceOf(bytesOf(20 * CHUNK_BYTES)))).toBe("sent");
    const chunks = network.sent.map(({ message }) => message).filter(({ type }) => type === fileChunk.type);
    expect(chunks.map(({ payload }) => (payload as FileChunk).offset / CHUNK_BYTES)).toEqual([...Array(20).keys()]);
  });
});

describe("a sender gives up", () => {
  async function begun() {
    const network = new FakeNetwork();
    const made = makeSender(network);
    const transferId = newTransferId();
    void made.sender.send(BOB, transferId, sourceOf(bytesOf(100 * CHUNK_BYTES)));
    await settle();
    network.sent[0]?.acknowledge();
    await settle();
    return { network, transferId, ...made };
  }

  test("when its owner cancels, and tells the other side", async () => {
    const { sender, ended, network, transferId } = await begun();
    sender.cancel(BOB, transferId);
    await settle();
    expect(ended).toEqual(["bob cancelled"]);
    expect(network.told.map(({ type, payload }) => [type, payload])).toEqual([
      [fileCancel.type, { transferId, reason: "cancelled" }],
    ]);
    expect(sender.size).toBe(0);
  });

  test("when the other side cancels, without an answer", async () => {
    const { sender, ended, network, transferId } = await begun();
    expect(sender.cancelledByPeer("mallory", { transferId, reason: "busy" })).toBe(false);
    expect(sender.cancelledByPeer(BOB, { transferId, reason: "no-room" })).toBe(true);
    await settle();
    expect(ended).toEqual(["bob no-room"]);
    expect(network.told).toEqual([]);
  });

  test("when the peer leaves, or its session fails", async () => {
    const first = await begun();
    first.sender.peerLeft(BOB);
    await settle();
    expect(first.ended).toEqual(["bob left"]);
    const second = await begun();
    for (const { fail } of second.network.sent) fail();
    await settle();
    expect(second.ended).toEqual(["bob left"]);
  });

  test("when nothing moved for two minutes, counted from the last progress", async () => {
    const { sender, ended, network, clock } = await begun();
    clock.now = STALL_MS - 1;
    network.sent[1]?.acknowledge();
    await settle();
    sender.expire(STALL_MS + 1);
    await settle();
    expect(ended).toEqual([]);
    sender.expire(2 * STALL_MS);
    await settle();
    expect(ended).toEqual(["bob stalled"]);
  });

  test("when everything is closed, and sends nothing afterwards", async () => {
    const { sender, ended, network } = await begun();
    const before = network.sent.length;
    sender.close();
    for (const { acknowledge } of network.sent) acknowledge();
    await settle();
    expect(ended).toEqual(["bob left"]);
    expect(network.sent).toHaveLength(before);
    expect(network.told).toEqual([]);
  });

  test("when the file shrinks or cannot be read", async () => {
    const network = new FakeNetwork();
    network.automatic = true;
    const { sender, ended } = makeSender(network);
    const short: FileSource = { name: "a", size: 10, mime: "", read: async () => new Uint8Array(3) };
    const broken: FileSource = { ...short, read: () => Promise.reject(new Error("disk")) };
    expect(await sender.send(BOB, newTransferId(), short)).toBe("unreadable");
    expect(await sender.send(BOB, newTransferId(), broken)).toBe("unreadable");
    expect(ended).toHaveLength(2);
    expect(network.told).toHaveLength(2);
  });
});

describe("a receiver refuses", () => {
  test.each([
    ["a gap", 1, 4],
    ["a chunk that goes past the announced size", 0, 9],
  ])("%s", (_name, offset, length) => {
    const { receiver, log, refused } = makeReceiver();
    const offer = offerOf(8);
    receiver.onOffer(ALICE, offer, 0);
    receiver.onChunk(ALICE, { transferId: offer.transferId, offset, data: new Uint8Array(length) }, 0);
    expect(refused).toEqual([{ transferId: offer.transferId, reason: "protocol" }]);
    expect(log).toEqual(["alice starts data.bin", "thrown away", "alice fails: protocol"]);
    expect(receiver.keptBytes).toBe(0);
  });

  test("a chunk that comes twice", () => {
    const { receiver, refused } = makeReceiver();
    const offer = offerOf(8);
    receiver.onOffer(ALICE, offer, 0);
    for (let twice = 0; twice < 2; twice++)
      receiver.onChunk(ALICE, { transferId: offer.transferId, offset: 0, data: new Uint8Array(4) }, 0);
    expect(refused).toHaveLength(1);
  });

  test("an end before the last byte", () => {
    const { receiver, refused, finished } = makeReceiver();
    const offer = offerOf(8);
    receiver.onOffer(ALICE, offer, 0);
    receiver.onEnd(ALICE, { transferId: offer.transferId });
    expect(refused).toHaveLength(1);
    expect(finished).toEqual([]);
  });

  test("a second offer of the same id, and both are over", () => {
    const { receiver, refused, finished } = makeReceiver();
    const offer = offerOf(4);
    receiver.onOffer(ALICE, offer, 0);
    receiver.onOffer(ALICE, offer, 0);
    receiver.onChunk(ALICE, { transferId: offer.transferId, offset: 0, data: new Uint8Array(4) }, 0);
    receiver.onEnd(ALICE, { transferId: offer.transferId });
    expect(refused).toHaveLength(1);
    expect(finished).toEqual([]);
  });

  test("more than eight at once from one peer, while others may still send", () => {
    const { receiver, refused, log } = makeReceiver();
    for (let count = 0; count < MAX_OPEN_PER_PEER + 1; count++) receiver.onOffer(ALICE, offerOf(1), 0);
    expect(refused.map(({ reason }) => reason)).toEqual(["busy"]);
    receiver.onOffer(BOB, offerOf(1), 0);
    expect(log.at(-1)).toBe("bob starts data.bin");
  });

  test("what does not fit into its memory, counted as announced, and takes it once there is room", () => {
    const { receiver, refused, log } = makeReceiver(1_000_000);
    receiver.onOffer(ALICE, offerOf(600_000), 0);
    receiver.onOffer(BOB, offerOf(600_000), 0);
    expect(refused.map(({ reason }) => reason)).toEqual(["no-room"]);
    receiver.peerLeft(ALICE);
    receiver.onOffer(BOB, offerOf(600_000), 0);
    expect(log.at(-1)).toBe("bob starts data.bin");
  });

  test("endless empty files: each counts for something", () => {
    const { receiver, refused } = makeReceiver(1_000_000);
    for (let count = 0; count < 100; count++) {
      const offer = offerOf(0);
      receiver.onOffer(ALICE, offer, 0);
      receiver.onEnd(ALICE, { transferId: offer.transferId });
    }
    expect(refused.length).toBeGreaterThan(80);
  });

  test("a file that nothing came for in two minutes", () => {
    const { receiver, refused, log } = makeReceiver();
    const offer = offerOf(8);
    receiver.onOffer(ALICE, offer, 0);
    receiver.onChunk(ALICE, { transferId: offer.transferId, offset: 0, data: new Uint8Array(1) }, STALL_MS);
    receiver.expire(STALL_MS + 1);
    expect(refused).toEqual([]);
    receiver.expire(2 * STALL_MS + 1);
    expect(refused.map(({ reason }) => reason)).toEqual(["stalled"]);
    expect(log.at(-1)).toBe("alice fails: stalled");
  });
});

test("nobody can write into, end or cancel the transfer of somebody else", () => {
  const { receiver, log, refused } = makeReceiver();
  const offer = offerOf(4);
  const { transferId } = offer;
  receiver.onOffer(ALICE, offer, 0);
  receiver.onChunk("mallory", { transferId, offset: 0, data: new Uint8Array(4) }, 0);
  receiver.onEnd("mallory", { transferId });
  expect(receiver.onCancel("mallory", { transferId, reason: "cancelled" })).toBe(false);
  expect(log).toEqual(["alice starts data.bin"]);
  expect(refused).toEqual([]);
});

test("texts come through by both of their types, and what is malformed is left alone", () => {
  const { sender } = makeSender(new FakeNetwork());
  const { receiver, log } = makeReceiver();
  const heard: string[] = [];
  const text = (_peer: string, written: string): void => void heard.push(written);
  const come = (type: string, payload: unknown): void =>
    routeMessage({ type, payload, id: "", senderId: ALICE, timestamp: 0 }, { text, sender, receiver }, 0);
  come("chat.text", { text: "one" });
  come("text", "two");
  come("chat.text", "three");
  come("text", { text: "four" });
  come("text", "x".repeat(5000));
  come(fileChunk.type, { transferId: "__proto__", offset: 0, data: new Uint8Array(1) });
  come("something.else", null);
  expect(heard).toEqual(["one", "two"]);
  expect(log).toEqual([]);
});
