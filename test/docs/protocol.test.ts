// PROTOCOL.md against the code: its examples byte for byte, and every number of its tables.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ByteWriter, concatBytes, toHex } from "../../src/core/bytes.js";
import { encodeProof, proofMessage } from "../../src/core/channel/identity-proof.js";
import { encodePreamble, prologue } from "../../src/core/channel/preamble.js";
import { encodePathMessage } from "../../src/core/connect/path-message.js";
import { RELAY_RANK } from "../../src/core/connect/relay-set.js";
import { fingerprint } from "../../src/core/fingerprint.js";
import { encodePeerId } from "../../src/core/identity.js";
import { text } from "../../src/core/message/define-message.js";
import { encodeCancel, encodeEnvelope, encodeRefusal } from "../../src/core/message/envelope.js";
import { encodeForward, RELAY_KIND } from "../../src/core/relay/relay-frame.js";
import { RelayLinks } from "../../src/core/relay/relay-links.js";
import { loginMessage } from "../../src/core/relay/relay-login.js";
import { RELAY_REASONS } from "../../src/core/relay/relay-reason.js";
import { roomIdOf } from "../../src/core/relay/relay-rooms.js";
import { keepAlivePolicy } from "../../src/core/session/keep-alive.js";
import { encodeNumbered, NumberedInbox } from "../../src/core/session/numbered.js";
import { GOODBYE_REASONS, writeAck, writeData, writeHello, writeStream, writeStreamAck } from "../../src/core/session/record.js";
import { CONTROL_KINDS } from "../../src/core/session/traffic.js";
import { encodeStreamControl, STREAM_REASONS, type StreamControl } from "../../src/core/stream/stream-control.js";
import { FIRST_WINDOW_BYTES } from "../../src/core/stream/window-budget.js";
import { encodeTicket } from "../../src/core/ticket.js";
import { encodeProbe, PROBE } from "../../src/nat/probe.js";
import { nodeClock } from "../../src/node/clock.js";
import { nodeCrypto } from "../../src/node/node-crypto.js";
import { tcpTransport } from "../../src/node/tcp-transport.js";
import { UdpTransport } from "../../src/node/udp-transport.js";
import { websocketTransport } from "../../src/node/websocket-transport.js";
import { webrtcTransport } from "../../src/webrtc/webrtc-transport.js";
import { SeededRandom } from "../sim/seeded-random.js";
import { codeBlocks, hexDigits, ROOT, readPage, tableRows } from "./page.js";

const page = readPage("PROTOCOL.md");
const crypto = nodeCrypto();

/** The inputs that PROTOCOL.md names. */
const alice = crypto.signingKeyFrom(Uint8Array.from({ length: 32 }, (_, i) => i));
const bob = crypto.signingKeyFrom(Uint8Array.from({ length: 32 }, (_, i) => 32 + i));
const staticKey = new Uint8Array(32).fill(0x11);
const ephemeral = new Uint8Array(32).fill(0x22);
const nonce = new Uint8Array(32).fill(0x33);
const aliceId = encodePeerId(alice.publicKey);
const bobId = encodePeerId(bob.publicKey);
const messageId = "00112233445566778899aabbccddeeff";
const sentAt = 1_700_000_000_000;
const envelope = encodeEnvelope(text("Hello"), messageId, sentAt, 1_000);

function written(size: number, write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(size);
  write(writer);
  return writer.done();
}

/** What a link of the relay with id 7 puts into a FORWARD for its first frame. */
function firstRelayFrame(frame: Uint8Array): Uint8Array {
  const sent: Uint8Array[] = [];
  const random = { bytes: (length: number) => Uint8Array.from({ length }, (_, i) => (i === length - 1 ? 7 : 0)) };
  const links = new RelayLinks(
    { send: (bytes) => sent.push(bytes), bufferedBytes: 0 },
    nodeClock,
    random,
    65_600,
    () => undefined,
  );
  links.dial(bob.publicKey).send(frame);
  return sent[0] as Uint8Array;
}

/** How the first of numbered messages is acknowledged. */
function numberAck(): Uint8Array {
  const inbox = new NumberedInbox();
  inbox.accept(encodeNumbered(0, 1, envelope));
  return inbox.takeAck() ?? new Uint8Array(0);
}

/** A message on lane 0, from its kind on. */
function control(kind: number, body: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(kind), body);
}

function aboutStream(message: StreamControl): Uint8Array {
  return control(CONTROL_KINDS.stream, encodeStreamControl(message));
}

const hello = new TextEncoder().encode("Hello");

const signed = proofMessage("initiator", staticKey, ephemeral);
const preamble = encodePreamble("ChaChaPoly");

/** Every example of the page, by the name behind its fence. */
const EXAMPLES: Readonly<Record<string, () => Uint8Array | string | Promise<Uint8Array>>> = {
  "hex preamble": () => preamble,
  "hex prologue": () => prologue(preamble, { kind: "websocket", binding: new Uint8Array(0) }),
  "hex proof-message": () => signed,
  "hex proof": async () => encodeProof(alice.publicKey, await alice.sign(signed)),
  "hex hello": () =>
    written(200, (writer) =>
      writeHello(writer, {
        instance: new Uint8Array(16).fill(0xaa),
        known: new Uint8Array(16),
        received: [0, 0, 0],
        window: 4 * 1024 * 1024,
        name: "alice",
      }),
    ),
  "hex data": () =>
    written(200, (writer) =>
      writeData(writer, 1, 0, 4 + envelope.length).set(written(200, (stream) => stream.u32(envelope.length).bytes(envelope))),
    ),
  "hex ack": () => written(20, (writer) => writeAck(writer, 1, 4 + envelope.length, 4 * 1024 * 1024)),
  "hex numbered": () => encodeNumbered(0, 1, envelope),
  "hex number-ack": numberAck,
  "hex envelope": () => envelope,
  "hex request": () => encodeEnvelope(text("Hello"), messageId, sentAt, 1_000, "request"),
  "hex refusal": () => encodeRefusal(messageId, sentAt, "NOT_FOUND"),
  "hex cancel": () => encodeCancel(messageId, sentAt),
  "hex paths": () =>
    control(
      CONTROL_KINDS.paths,
      encodePathMessage({ kind: "paths", addresses: ["tcp://192.0.2.7:8080"], schemes: ["tcp", "ws"], negotiable: ["webrtc"] }),
    ),
  "hex stream-open": () => aboutStream({ op: "open", id: 0, window: FIRST_WINDOW_BYTES, name: "files" }),
  "hex stream": () => written(100, (writer) => writeStream(writer, 0, 0, hello.length).set(hello)),
  "hex stream-end": () => aboutStream({ op: "end", id: 0, offset: hello.length }),
  "hex stream-ack": () => written(100, (writer) => writeStreamAck(writer, 0, hello.length, FIRST_WINDOW_BYTES)),
  "hex stream-done": () => aboutStream({ op: "done", id: 0 }),
  "hex probe": () => {
    const sha256 = crypto.hash("SHA256");
    const keys = { hmac: sha256.hmac.bind(sha256), key: new Uint8Array(32).fill(0x20), offers: true };
    return encodeProbe(keys, PROBE.PING, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), Uint8Array.of(17, 18, 19, 20, 21, 22, 23, 24));
  },
  "text peer-id": () => aliceId,
  "text ticket": () => encodeTicket({ peerId: aliceId, relays: ["wss://relay.example"], addresses: ["tcp://192.0.2.7:8080"] }),
  "text fingerprint": () => fingerprint(aliceId, bobId, crypto),
  "hex room-id": () => roomIdOf("lobby", crypto.hash("SHA256")),
  "hex login-message": () => loginMessage(nonce, "relay.example:443", alice.publicKey),
  "hex relay-frame": () => firstRelayFrame(preamble),
};

describe("the examples of PROTOCOL.md", () => {
  test.each(Object.keys(EXAMPLES))("%s is what the code makes", async (info) => {
    const block = codeBlocks(page).find((one) => one.info === info);
    const made = await (EXAMPLES[info] as () => Uint8Array | string | Promise<Uint8Array>)();
    if (typeof made === "string") expect(block?.content.replace(/\n/g, "")).toBe(made);
    else expect(hexDigits(block?.content ?? "")).toBe(toHex(made));
  });

  test("there is none that is not compared", () => {
    const named = codeBlocks(page).filter((block) => /^(hex|text) /.test(block.info));
    expect(named.map((block) => block.info).sort()).toEqual(Object.keys(EXAMPLES).sort());
  });

  test("a relay frame is a FORWARD to the peer", () => {
    const frame = firstRelayFrame(preamble);
    expect(frame).toEqual(encodeForward(bob.publicKey, frame.subarray(33)));
  });
});

/** All source files of a folder, joined: a constant may move between them. */
function sourcesIn(folder: string): string {
  const files = readdirSync(ROOT + folder).filter((file) => file.endsWith(".ts"));
  return files.map((file) => readFileSync(`${ROOT}${folder}/${file}`, "utf8")).join("\n");
}

/** What a name stands for in the files of a folder: a constant, an option's default or a relay's limit, as its source text. */
function definitionsOf(name: string, folder: string): string[] {
  const source = sourcesIn(folder);
  const patterns = /^[A-Z_]+$/.test(name)
    ? [`const ${name}(?:: \\w+)? =\\s+([^;]+);`]
    : [`\\b${name}: \\{\\s*default: ([^,]+),`, `\\b${name}: (\\d[\\d_ *A-Z]*)[,}\\s]`];
  const found = patterns.map((pattern) => [...source.matchAll(new RegExp(pattern, "g"))].map(([, text = ""]) => text));
  return found.find((definitions) => definitions.length > 0) ?? [];
}

/** The value of a name; where a folder has several of the name, all must agree. */
function numberOf(name: string, folder: string): number {
  const values = new Set(definitionsOf(name, folder).map((definition) => sum(definition, folder)));
  const [value] = values;
  if (values.size !== 1 || value === undefined) throw new Error(`${folder} has ${values.size} values of ${name}`);
  return value;
}

function sum(expression: string, folder: string): number {
  return expression.split("+").reduce((total, term) => total + product(term, folder), 0);
}

function product(term: string, folder: string): number {
  return term.split("*").reduce((total, factor) => total * factorOf(factor.trim(), folder), 1);
}

function factorOf(factor: string, folder: string): number {
  if (/^(0x[0-9a-f_]+|[\d_]+)$/.test(factor)) return Number(factor.replaceAll("_", ""));
  return numberOf(factor, limitFolders.get(factor) ?? folder);
}

const limits = tableRows(page, "Limit").map(([name = "", value = "", unit = "", meaning = "", folder = ""]) => {
  return { name, value: Number(value.replaceAll(" ", "")), unit, meaning, folder };
});
const limitFolders = new Map(limits.map(({ name, folder }) => [name, folder]));

describe("the limits of PROTOCOL.md", () => {
  test("are a table with every part of the protocol in it", () => {
    expect(limits.length).toBeGreaterThan(50);
    expect(limits.filter(({ name, unit, meaning }) => name === "" || unit === "" || meaning === "")).toEqual([]);
  });

  test.each(limits)("$name is $value $unit in $folder", ({ name, value, folder }) => {
    expect(numberOf(name, folder)).toBe(value);
  });
});

describe("the tables of PROTOCOL.md", () => {
  test("name every kind of relay frame with its number", () => {
    const rows = tableRows(page, "Relay frame").map(([name = "", kind = ""]) => [name, Number(kind)]);
    expect(Object.fromEntries(rows)).toEqual(RELAY_KIND);
  });

  test("name every reason of a relay with its code", () => {
    const rows = tableRows(page, "Relay reason").map(([name = "", code = "", close = "", final = ""]) => {
      expect(Number(close)).toBe(4000 + Number(code));
      return [name, { code: Number(code), final: final === "yes" }];
    });
    const reasons = Object.entries(RELAY_REASONS).map(([name, { code, final }]) => [name, { code, final }]);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(reasons));
  });

  test("name every reason of a goodbye with its number", () => {
    const rows = tableRows(page, "Goodbye").map(([name = "", number = ""]) => [name, Number(number)]);
    expect(Object.fromEntries(rows)).toEqual(GOODBYE_REASONS);
  });

  test("tell the rank of every kind of link", () => {
    const rows = tableRows(page, "Kind").map(([kind = "", rank = ""]) => [kind, Number(rank)]);
    const transports = [
      tcpTransport({ acceptWebSocket: true }),
      websocketTransport({ ownPort: false }),
      new UdpTransport({
        clock: nodeClock,
        random: new SeededRandom(1),
        crypto,
        localAddresses: () => [],
        loadUdx: () => import("udx-native").then((udx) => udx.default),
      }),
      webrtcTransport({ clock: nodeClock, iceServers: [] }),
    ];
    const ranks = Object.fromEntries(transports.map(({ kind, rank }) => [kind, rank]));
    expect(Object.fromEntries(rows)).toEqual({ ...ranks, relay: RELAY_RANK });
  });

  test("tell when every kind of link is pinged and given up", () => {
    const rows = tableRows(page, "Keep-alive");
    expect(rows.map(([kind]) => kind).sort()).toEqual(["relay", "tcp", "udp", "webrtc", "websocket"]);
    for (const [kind = "", idle, answer] of rows) {
      expect(keepAlivePolicy(kind)).toEqual({ idleMs: Number(idle), answerMs: Number(answer) });
    }
  });

  test("name every kind of envelope with its flags", () => {
    const source = readFileSync(`${ROOT}src/core/message/envelope.ts`, "utf8");
    const flags = /KIND_FLAGS[^{]+\{([^}]+)\}/.exec(source)?.[1] ?? "";
    const inCode = [...flags.matchAll(/(\w+): (\w+)/g)].map(([, name, flag]) => [name, Number(flag)]);
    const rows = tableRows(page, "Envelope").map(([name = "", flag = ""]) => [name, Number(flag)]);
    expect(inCode.length).toBe(5);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(inCode));
  });

  test("name every message about a stream with its number, and every reason", () => {
    const source = readFileSync(`${ROOT}src/core/stream/stream-control.ts`, "utf8");
    const operations = /const OP = \{([^}]+)\}/.exec(source)?.[1] ?? "";
    const inCode = [...operations.matchAll(/(\w+): (\d+)/g)].map(([, name, number]) => [name, Number(number)]);
    const numbered = (head: string) => tableRows(page, head).map(([name = "", number = ""]) => [name, Number(number)]);
    expect(inCode.length).toBe(5);
    expect(Object.fromEntries(numbered("Stream message"))).toEqual(Object.fromEntries(inCode));
    expect(Object.fromEntries(numbered("Stream reason"))).toEqual(STREAM_REASONS);
  });

  test("the examples give the smaller PeerId the even streams", () => {
    expect(aliceId < bobId).toBe(true);
  });

  test("name every kind of record entry with its number", () => {
    const source = readFileSync(`${ROOT}src/core/session/record.ts`, "utf8");
    const entries = /const ENTRY = \{([^}]+)\}/.exec(source)?.[1] ?? "";
    const inCode = [...entries.matchAll(/(\w+): (\d+)/g)].map(([, name, number]) => [name, Number(number)]);
    const rows = tableRows(page, "Entry").map(([name = "", number = ""]) => [name, Number(number)]);
    expect(inCode.length).toBeGreaterThan(0);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(inCode));
  });
});
