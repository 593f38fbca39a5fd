import { NetworkError } from "linknet";
import { describe, expect, test } from "vitest";
import {
  decodeReport,
  encodeOffer,
  encodeReport,
  FILE_STREAM,
  type FileOffer,
  type FileReport,
  newTransferId,
  REPORT_BYTES,
} from "../../demo-web/chat/file-protocol.js";
import { FileReceiver, HEADER_MS, MAX_INTERRUPTED, MAX_OPEN_PER_PEER } from "../../demo-web/chat/file-receiver.js";
import {
  FILES_AT_ONCE,
  FileSender,
  type FileSource,
  INTERRUPTED_MS,
  PIECE_BYTES,
  STALL_MS,
} from "../../demo-web/chat/file-sender.js";
import { PieceReader } from "../../demo-web/chat/piece-reader.js";
import { FakeNetwork, streamPair } from "./fake-streams.js";

const ALICE = "alice";
const BOB = "bob";

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31) % 251);
}

function sourceOf(bytes: Uint8Array, name = "data.bin"): FileSource {
  return { name, size: bytes.length, mime: "", read: async (offset, length) => bytes.slice(offset, offset + length) };
}

/** Lets everything happen that needs no more than promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

function makeSender(network: FakeNetwork) {
  const log: string[] = [];
  const progress: number[] = [];
  const clock = { now: 0 };
  const events = {
    progress: (_peer: string, _id: string, bytes: number) => void progress.push(bytes),
    interrupted: (peer: string) => void log.push(`${peer} interrupted`),
    resumed: (peer: string) => void log.push(`${peer} resumed`),
    ended: (peer: string, _id: string, outcome: string) => void log.push(`${peer} ${outcome}`),
  };
  const sender = new FileSender(network, events, () => clock.now);
  const tick = async (now: number): Promise<void> => {
    clock.now = now;
    sender.tick(now);
    await settle();
  };
  return { sender, log, progress, clock, tick };
}

function makeReceiver(maxKeptBytes = 1_000_000_000, hasBytes = 0) {
  const log: string[] = [];
  const finished: Uint8Array[] = [];
  const clock = { now: 0 };
  const disk = { full: false };
  const receiver = new FileReceiver<Uint8Array>(
    () => {
      const parts: Uint8Array[] = [];
      return {
        hasBytes,
        write: (data) => {
          if (disk.full) throw new Error("disk full");
          parts.push(data.slice());
        },
        finish: () => new Uint8Array(Buffer.concat(parts)),
        abort: () => void log.push("thrown away"),
        suspend: () => void log.push("put aside"),
      };
    },
    {
      started: (peer, { name }, resumed) => void log.push(`${peer} ${resumed ? "resumes" : "starts"} ${name}`),
      progress: () => undefined,
      interrupted: (peer) => void log.push(`${peer} interrupted`),
      finished: (peer, _id, file) => {
        log.push(`${peer} finishes ${file.length}`);
        finished.push(file);
      },
      failed: (peer, _id, reason) => void log.push(`${peer} fails: ${reason}`),
    },
    maxKeptBytes,
    () => clock.now,
  );
  return { receiver, log, finished, clock, disk };
}

/** Alice, who sends, and Bob, who receives. */
function makePair() {
  const network = new FakeNetwork(ALICE, BOB);
  const to = makeReceiver();
  const from = makeSender(network);
  network.onOpen = (stream) => void to.receiver.accept(stream);
  return { network, from, to };
}

describe("a file on its way", () => {
  test.each([0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 77])("arrives bit for bit with %i bytes", async (size) => {
    const { from, to } = makePair();
    const bytes = bytesOf(size);
    expect(await from.sender.send(BOB, newTransferId(), sourceOf(bytes))).toBe("sent");
    expect(from.log).toEqual(["bob sent"]);
    expect(from.progress.at(-1)).toBe(size);
    expect(to.log).toEqual(["alice starts data.bin", `alice finishes ${size}`]);
    expect(Buffer.from(to.finished[0] ?? []).equals(Buffer.from(bytes))).toBe(true);
  });

  test("counts what the other side says that it has, and nothing else", async () => {
    const network = new FakeNetwork(ALICE, BOB);
    const { sender, progress, log } = makeSender(network);
    void sender.send(BOB, newTransferId(), sourceOf(bytesOf(10)));
    const { reader, tell } = await answering(network);
    await tell({ kind: "have", bytes: 0 });
    expect(await reader.exactly(10)).toEqual(bytesOf(10));
    expect(await reader.next()).toBeNull();
    await settle();
    expect([progress, log]).toEqual([[0], []]);
    await tell({ kind: "have", bytes: 4 });
    await tell({ kind: "have", bytes: 10 });
    await settle();
    expect([progress, log]).toEqual([[0, 4, 10], ["bob sent"]]);
  });

  test("waits for its turn when many go to one peer, and not for those to another", async () => {
    const network = new FakeNetwork(ALICE, BOB, "carol");
    const { sender, log } = makeSender(network);
    const ids = Array.from({ length: FILES_AT_ONCE + 2 }, () => newTransferId());
    for (const id of ids) void sender.send(BOB, id, sourceOf(bytesOf(0)));
    void sender.send("carol", newTransferId(), sourceOf(bytesOf(0)));
    await settle();
    expect(network.opened).toHaveLength(FILES_AT_ONCE + 1);
    // One that waits is given up at once, one that is under way makes room.
    sender.cancel(BOB, ids.at(-1) ?? "");
    expect(log).toEqual(["bob cancelled"]);
    sender.cancel(BOB, ids[0] ?? "");
    await settle();
    expect(network.opened).toHaveLength(FILES_AT_ONCE + 2);
  });
});

/** Bob, by hand: reads what Alice opened last, and answers. */
async function answering(network: FakeNetwork) {
  await settle();
  const far = network.opened.at(-1)?.far;
  if (!far) throw new Error("no stream");
  const reader = new PieceReader(far.readable);
  const writer = far.writable.getWriter();
  writer.closed.catch(() => undefined);
  const length = new DataView(((await reader.exactly(4)) as Uint8Array).buffer).getUint32(0);
  const offer = JSON.parse(new TextDecoder().decode((await reader.exactly(length)) ?? undefined)) as FileOffer;
  return { reader, writer, offer, tell: (report: FileReport) => writer.write(encodeReport(report)) };
}

describe("an interrupted file", () => {
  test("goes on where it was when the peer is back, and is whole", async () => {
    const { network, from, to } = makePair();
    const bytes = bytesOf(3 * PIECE_BYTES + 5);
    const reads: number[] = [];
    const source: FileSource = {
      ...sourceOf(bytes),
      read: async (offset, length) => {
        reads.push(offset);
        if (offset === 2 * PIECE_BYTES && reads.length === 3) network.lose(BOB);
        return bytes.slice(offset, offset + length);
      },
    };
    const sent = from.sender.send(BOB, newTransferId(), source);
    await settle();
    expect(from.log).toEqual(["bob interrupted"]);
    expect(to.log).toEqual(["alice starts data.bin", "alice interrupted"]);
    await from.tick(60_000);
    expect(from.log).toEqual(["bob interrupted"]);
    network.present.add(BOB);
    await from.tick(61_000);
    expect(await sent).toBe("sent");
    expect(from.log).toEqual(["bob interrupted", "bob resumed", "bob sent"]);
    expect(to.log.slice(2)).toEqual(["alice resumes data.bin", `alice finishes ${bytes.length}`]);
    expect(Buffer.from(to.finished[0] ?? []).equals(Buffer.from(bytes))).toBe(true);
    // What had arrived was not read again.
    expect(reads.slice(3)).not.toContain(0);
  });

  test("starts again where the other side kept nothing", async () => {
    const { network, from } = makePair();
    const sent = from.sender.send(BOB, newTransferId(), sourceOf(bytesOf(5 * PIECE_BYTES)));
    network.lose(BOB);
    await settle();
    const other = makeReceiver();
    network.onOpen = (stream) => void other.receiver.accept(stream);
    network.present.add(BOB);
    await from.tick(1_000);
    expect(await sent).toBe("sent");
    expect(other.log).toEqual(["alice starts data.bin", `alice finishes ${5 * PIECE_BYTES}`]);
  });

  test("goes on with what an earlier process of the receiver had", async () => {
    const network = new FakeNetwork(ALICE, BOB);
    const from = makeSender(network);
    const to = makeReceiver(1_000_000_000, 100);
    network.onOpen = (stream) => void to.receiver.accept(stream);
    expect(await from.sender.send(BOB, newTransferId(), sourceOf(bytesOf(130)))).toBe("sent");
    expect(from.progress).toEqual([100, 130]);
    expect(to.finished[0]).toEqual(bytesOf(130).subarray(100));
  });

  test("is not sent twice where only the last word was lost", async () => {
    const { network, from, to } = makePair();
    const id = newTransferId();
    await from.sender.send(BOB, id, sourceOf(bytesOf(9)));
    await from.sender.send(BOB, id, sourceOf(bytesOf(9)));
    expect(from.log).toEqual(["bob sent", "bob sent"]);
    expect(to.finished).toHaveLength(1);
    expect(network.opened).toHaveLength(2);
  });

  test("is given up when its peer does not come back in ten minutes, or when somebody cancels it", async () => {
    const { network, from, to } = makePair();
    const [first, second] = [newTransferId(), newTransferId()];
    void from.sender.send(BOB, first, sourceOf(bytesOf(9 * PIECE_BYTES)));
    void from.sender.send(BOB, second, sourceOf(bytesOf(9 * PIECE_BYTES)));
    network.lose(BOB);
    await settle();
    from.sender.cancel(BOB, second);
    expect(from.log).toEqual(["bob interrupted", "bob interrupted", "bob cancelled"]);
    await from.tick(INTERRUPTED_MS);
    expect(from.log).toHaveLength(3);
    await from.tick(INTERRUPTED_MS + 1);
    expect(from.log.at(-1)).toBe("bob left");
    expect(from.sender.size).toBe(0);
    expect(to.receiver.keptBytes).toBeLessThanOrEqual(2 * 9 * PIECE_BYTES);
    to.receiver.tick(INTERRUPTED_MS + 1);
    expect(to.receiver.keptBytes).toBe(0);
  });

  test("is tried again with growing pauses while nothing moves", async () => {
    const network = new FakeNetwork(ALICE, BOB);
    const { sender, log, tick } = makeSender(network);
    void sender.send(BOB, newTransferId(), sourceOf(bytesOf(9)));
    let tries = 0;
    for (let now = 0; now < 60_000; now += 1_000) {
      await settle();
      network.lose(BOB);
      network.present.add(BOB);
      await tick(now);
      tries = log.filter((line) => line === "bob resumed").length;
    }
    expect(tries).toBeGreaterThanOrEqual(4);
    expect(tries).toBeLessThanOrEqual(6);
  });

  test("that the receiver does not want any more is refused when it comes again", async () => {
    const { network, from, to } = makePair();
    const id = newTransferId();
    void from.sender.send(BOB, id, { ...sourceOf(bytesOf(9)), read: () => new Promise(() => undefined) });
    await settle();
    network.lose(BOB);
    await settle();
    to.receiver.cancel(ALICE, id);
    network.present.add(BOB);
    await from.tick(1_000);
    expect(from.log.at(-1)).toBe("bob cancelled");
    expect(to.finished).toEqual([]);
  });

  test("of another name or size under the same id begins anew", async () => {
    const { receiver, log } = makeReceiver();
    const offer = offerOf(8);
    const first = begin(receiver, offer, new Uint8Array(4));
    await settle();
    first.fail(new NetworkError("ERR_SESSION_LOST"));
    await settle();
    const second = begin(receiver, { ...offer, size: 9 });
    expect(await second.report()).toEqual({ kind: "have", bytes: 0 });
    expect(log).toEqual(
      ["alice starts data.bin", "alice interrupted", "thrown away", "alice fails: left"].concat("alice starts data.bin"),
    );
  });

  test("stays at the receiver when that one closes, and is put aside", async () => {
    const { from, to, network } = makePair();
    void from.sender.send(BOB, newTransferId(), { ...sourceOf(bytesOf(9)), read: () => new Promise(() => undefined) });
    await settle();
    to.receiver.close();
    await settle();
    expect(to.log).toEqual(["alice starts data.bin", "put aside"]);
    // The sender hears nothing of it before the session ends.
    expect(from.log).toEqual([]);
    network.lose(BOB);
    await settle();
    expect(from.log).toEqual(["bob interrupted"]);
  });
});

describe("a sender gives up", () => {
  async function begun() {
    const { network, from, to } = makePair();
    const transferId = newTransferId();
    const slow: FileSource = { ...sourceOf(bytesOf(100)), read: () => new Promise(() => undefined) };
    void from.sender.send(BOB, transferId, slow);
    await settle();
    return { network, transferId, to, ...from };
  }

  test("when its owner cancels, and tells the other side", async () => {
    const { sender, log, to, transferId } = await begun();
    sender.cancel(BOB, transferId);
    await settle();
    expect(log).toEqual(["bob cancelled"]);
    expect(to.log).toEqual(["alice starts data.bin", "thrown away", "alice fails: cancelled"]);
    expect(sender.size).toBe(0);
  });

  test("when the other side cancels, with its reason", async () => {
    const { log, to, transferId } = await begun();
    to.receiver.cancel("mallory", transferId);
    await settle();
    expect(log).toEqual([]);
    to.receiver.cancel(ALICE, transferId);
    await settle();
    expect(log).toEqual(["bob cancelled"]);
    expect(to.log.at(-1)).toBe("alice fails: cancelled");
  });

  test("when nothing moved for two minutes, counted from the last progress", async () => {
    const network = new FakeNetwork(ALICE, BOB);
    const { sender, log, clock, tick } = makeSender(network);
    void sender.send(BOB, newTransferId(), sourceOf(bytesOf(9)));
    const { tell } = await answering(network);
    clock.now = STALL_MS - 1;
    await tell({ kind: "have", bytes: 0 });
    await settle();
    await tick(STALL_MS + 1);
    expect(log).toEqual([]);
    await tick(2 * STALL_MS);
    expect(log).toEqual(["bob stalled"]);
  });

  test("when everything is closed", async () => {
    const { sender, log } = await begun();
    sender.close();
    await settle();
    expect(log).toEqual(["bob left"]);
    expect(sender.size).toBe(0);
  });

  test("when the file shrinks or cannot be read", async () => {
    const { from, to } = makePair();
    const short: FileSource = { name: "a", size: 10, mime: "", read: async () => new Uint8Array(3) };
    const broken: FileSource = { ...short, read: () => Promise.reject(new Error("disk")) };
    expect(await from.sender.send(BOB, newTransferId(), short)).toBe("unreadable");
    expect(await from.sender.send(BOB, newTransferId(), broken)).toBe("unreadable");
    await settle();
    expect(to.log.filter((line) => line === "alice fails: cancelled")).toHaveLength(2);
  });

  test("when the other side takes no files", async () => {
    const network = new FakeNetwork(ALICE, BOB);
    const { sender } = makeSender(network);
    const sent = sender.send(BOB, newTransferId(), sourceOf(bytesOf(9)));
    await settle();
    network.opened[0]?.fail(new NetworkError("ERR_STREAM_REFUSED"));
    expect(await sent).toBe("refused");
  });

  test.each<[string, readonly FileReport[]]>([
    ["more than there is", [{ kind: "have", bytes: 11 }]],
    ["less than before", [4, 3].map((bytes) => ({ kind: "have", bytes }))],
    ["the same again and again", [4, 4].map((bytes) => ({ kind: "have", bytes }))],
  ])("when the other side claims to have %s", async (_name, reports) => {
    const network = new FakeNetwork(ALICE, BOB);
    const { sender } = makeSender(network);
    const sent = sender.send(BOB, newTransferId(), sourceOf(bytesOf(10)));
    const { tell } = await answering(network);
    for (const report of reports) await tell(report);
    expect(await sent).toBe("protocol");
  });
});

function offerOf(size: number, transferId = newTransferId()): FileOffer {
  return { transferId, name: "data.bin", size, mime: "" };
}

/** Alice, by hand: opens a stream to a receiver and writes into it. */
function begin(receiver: FileReceiver<Uint8Array>, offer: FileOffer | null, data?: Uint8Array, from = ALICE) {
  const { near, far, fail } = streamPair(from, BOB, FILE_STREAM);
  const accepted = receiver.accept(far);
  const writer = near.writable.getWriter();
  const reports = new PieceReader(near.readable);
  writer.closed.catch(() => undefined);
  if (offer) writer.write(encodeOffer(offer)).catch(() => undefined);
  if (data) writer.write(data).catch(() => undefined);
  const report = async (): Promise<FileReport | null> => {
    const bytes = await reports.exactly(REPORT_BYTES);
    return bytes && decodeReport(bytes);
  };
  return { writer, report, fail, accepted };
}

describe("a receiver refuses", () => {
  test("bytes that go past the announced size", async () => {
    const { receiver, log } = makeReceiver();
    const { report } = begin(receiver, offerOf(8), new Uint8Array(9));
    expect(await report()).toEqual({ kind: "have", bytes: 0 });
    expect(await report()).toEqual({ kind: "refused", reason: "protocol" });
    expect(log).toEqual(["alice starts data.bin", "thrown away", "alice fails: protocol"]);
    expect(receiver.keptBytes).toBe(0);
  });

  test("an end before the last byte", async () => {
    const { receiver, finished } = makeReceiver();
    const { report, writer } = begin(receiver, offerOf(8), new Uint8Array(7));
    void writer.close();
    expect(await report()).toEqual({ kind: "have", bytes: 0 });
    expect(await report()).toEqual({ kind: "refused", reason: "protocol" });
    expect(finished).toEqual([]);
  });

  test("a stream that begins with no offer, or tells none within ten seconds", async () => {
    const { receiver, log } = makeReceiver();
    const nonsense = begin(receiver, null, new Uint8Array(100).fill(255));
    expect(await nonsense.report()).toEqual({ kind: "refused", reason: "protocol" });
    const silent = begin(receiver, null);
    receiver.tick(HEADER_MS + 1);
    expect(await silent.report()).toEqual({ kind: "refused", reason: "stalled" });
    expect(log).toEqual([]);
  });

  test("a stream of another name, without a word", async () => {
    const { receiver } = makeReceiver();
    const { near, far } = streamPair(ALICE, BOB, "something.else");
    await receiver.accept(far);
    await expect(near.readable.getReader().read()).rejects.toMatchObject({ code: "ERR_STREAM_ABORTED" });
    await expect(near.writable.getWriter().write(new Uint8Array(1))).rejects.toMatchObject({ code: "ERR_STREAM_CANCELLED" });
  });

  test("a second stream for a file that is under way, and the first goes on", async () => {
    const { receiver, finished } = makeReceiver();
    const offer = offerOf(4);
    const first = begin(receiver, offer);
    expect(await first.report()).toEqual({ kind: "have", bytes: 0 });
    expect(await begin(receiver, offer, new Uint8Array(4)).report()).toEqual({ kind: "refused", reason: "protocol" });
    void first.writer.write(Uint8Array.of(1, 2, 3, 4));
    void first.writer.close();
    expect(await first.report()).toEqual({ kind: "have", bytes: 4 });
    expect(finished).toEqual([Uint8Array.of(1, 2, 3, 4)]);
  });

  test("more than eight at once from one peer, while others may still send", async () => {
    const { receiver } = makeReceiver();
    for (let count = 0; count < MAX_OPEN_PER_PEER; count++) begin(receiver, count % 2 === 0 ? offerOf(1) : null);
    expect(await begin(receiver, offerOf(1)).report()).toEqual({ kind: "refused", reason: "busy" });
    expect(await begin(receiver, offerOf(1), undefined, BOB).report()).toEqual({ kind: "have", bytes: 0 });
  });

  test("what does not fit into its memory, counted as announced, and takes it once there is room", async () => {
    const { receiver, log } = makeReceiver(1_000_000);
    const first = begin(receiver, offerOf(600_000));
    await first.report();
    expect(await begin(receiver, offerOf(600_000), undefined, BOB).report()).toEqual({ kind: "refused", reason: "no-room" });
    // What is interrupted makes room for what comes.
    first.fail(new NetworkError("ERR_SESSION_LOST"));
    await first.accepted;
    expect(await begin(receiver, offerOf(600_000), undefined, BOB).report()).toEqual({ kind: "have", bytes: 0 });
    expect(log).toContain("alice fails: left");
    expect(receiver.keptBytes).toBe(600_000);
  });

  test("endless empty files: each counts for something", async () => {
    const { receiver, finished } = makeReceiver(1_000_000);
    for (let count = 0; count < 100; count++) {
      const { writer, report } = begin(receiver, offerOf(0));
      writer.close().catch(() => undefined);
      for (let told = 0; told < 2; told++) await report();
    }
    expect(finished.length).toBe(15);
  });

  test("what its disk does not take", async () => {
    const { receiver, disk, log } = makeReceiver();
    disk.full = true;
    const { report } = begin(receiver, offerOf(8), new Uint8Array(4));
    await report();
    expect(await report()).toEqual({ kind: "refused", reason: "no-room" });
    expect(log.at(-1)).toBe("alice fails: no-room");
  });

  test("a file that nothing came for in two minutes", async () => {
    const { receiver, log, clock } = makeReceiver();
    const { writer, report } = begin(receiver, offerOf(8));
    await report();
    clock.now = STALL_MS;
    await writer.write(new Uint8Array(1));
    await settle();
    receiver.tick(STALL_MS + 1);
    receiver.tick(2 * STALL_MS + 1);
    expect(await report()).toEqual({ kind: "refused", reason: "stalled" });
    expect(log.at(-1)).toBe("alice fails: stalled");
  });
});

test("a receiver keeps so many interrupted files, and the oldest go", async () => {
  const { receiver, log, clock } = makeReceiver();
  for (let count = 0; count < MAX_INTERRUPTED + 3; count++) {
    clock.now = count;
    const { report, fail, accepted } = begin(receiver, offerOf(8));
    await report();
    fail(new NetworkError("ERR_SESSION_LOST"));
    await accepted;
  }
  expect(log.filter((line) => line === "alice fails: left")).toHaveLength(3);
});

test("nobody can go on with the file of somebody else", async () => {
  const { receiver, log } = makeReceiver();
  const offer = offerOf(4);
  const first = begin(receiver, offer, new Uint8Array(2));
  await first.report();
  await settle();
  first.fail(new NetworkError("ERR_SESSION_LOST"));
  await first.accepted;
  expect(await begin(receiver, offer, undefined, "mallory").report()).toEqual({ kind: "have", bytes: 0 });
  expect(await begin(receiver, offer).report()).toEqual({ kind: "have", bytes: 2 });
  expect(log.filter((line) => line.startsWith("alice"))).toEqual([
    "alice starts data.bin",
    "alice interrupted",
    "alice resumes data.bin",
  ]);
});
