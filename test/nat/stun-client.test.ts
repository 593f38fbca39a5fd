// The STUN client on a virtual clock: its timer, whose answers it takes, and what spoofed and broken ones do, which is nothing.

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { concatBytes, fromHex } from "../../src/core/bytes.js";
import { NetworkError } from "../../src/core/errors.js";
import type { DatagramPort, Endpoint } from "../../src/nat/datagram-port.js";
import { fromStunEndpoint, toStunEndpoint } from "../../src/nat/endpoint.js";
import { type StunBinding, type StunBindingOptions, stunBinding } from "../../src/nat/stun-client.js";
import {
  decodeChangeRequest,
  decodeStunMessage,
  encodeErrorCode,
  encodeStunAddress,
  encodeStunMessage,
  encodeXorMappedAddress,
  findStunAttribute,
  STUN_ATTRIBUTE,
  STUN_BINDING,
  STUN_CLASS,
  type StunAttribute,
  type StunEndpoint,
  verifyStunFingerprint,
} from "../../src/nat/stun-message.js";
import { run, settled } from "../sim/flush.js";
import { SeededRandom } from "../sim/seeded-random.js";
import { VirtualClock } from "../sim/virtual-clock.js";

const SERVER: Endpoint = { host: "203.0.113.1", port: 3478 };
const OTHER: Endpoint = { host: "203.0.113.2", port: 3479 };
const MAPPED: Endpoint = { host: "198.51.100.7", port: 40_001 };

const CORPUS = new URL("../../../shared/vectors/stun/pion-fuzz-corpus.json", import.meta.url);
const present = existsSync(CORPUS);
if (!present) console.warn("SKIPPED: the STUN vectors are not there (../shared/vectors/stun)");
const corpus = () => (JSON.parse(readFileSync(CORPUS, "utf8")) as { vectors: { hex: string }[] }).vectors.map(({ hex }) => hex);

const bytesOf = (endpoint: Endpoint) => toStunEndpoint(endpoint) as StunEndpoint;

/** A port of which the test is the network. */
class FakePort implements DatagramPort {
  readonly port = 5000;
  readonly sent: { at: number; to: Endpoint; bytes: Uint8Array }[] = [];
  readonly #clock: VirtualClock;
  readonly #receivers = new Set<(datagram: Uint8Array, from: Endpoint) => void>();

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  send(datagram: Uint8Array, to: Endpoint): void {
    this.sent.push({ at: this.#clock.now(), to, bytes: datagram.slice() });
  }

  subscribe(receive: (datagram: Uint8Array, from: Endpoint) => void): () => void {
    this.#receivers.add(receive);
    return () => this.#receivers.delete(receive);
  }

  close(): void {}

  get receivers(): number {
    return this.#receivers.size;
  }

  receive(bytes: Uint8Array, from: Endpoint): void {
    const view = bytes.slice();
    for (const receive of this.#receivers) receive(view, from);
    // The bytes are only valid during the call.
    view.fill(0xdd);
  }
}

interface Asked {
  readonly clock: VirtualClock;
  readonly port: FakePort;
  /** The transaction id of the request. */
  readonly id: Uint8Array;
  readonly result: Promise<StunBinding>;
  /** What has become of it so far: the error's code, `answered` or `waiting`. */
  outcome(): string;
}

async function ask(options: Partial<StunBindingOptions> = {}, server = SERVER): Promise<Asked> {
  const clock = new VirtualClock();
  const port = new FakePort(clock);
  const result = stunBinding(port, server, { clock, random: new SeededRandom(1), ...options });
  let outcome = "waiting";
  result.then(
    () => {
      outcome = "answered";
    },
    (error: unknown) => {
      outcome = error instanceof NetworkError ? error.code : String(error);
    },
  );
  await settled();
  const id = port.sent[0] ? decodeStunMessage(port.sent[0].bytes).transactionId : new Uint8Array(12);
  return { clock, port, id, result, outcome: () => outcome };
}

interface AnswerOptions {
  readonly messageClass?: number;
  readonly method?: number;
  readonly fingerprint?: boolean;
}

function answer(id: Uint8Array, attributes: readonly StunAttribute[], options: AnswerOptions = {}): Uint8Array {
  const { messageClass = STUN_CLASS.SUCCESS, method = STUN_BINDING, fingerprint = false } = options;
  return encodeStunMessage({ messageClass, method, transactionId: id, attributes }, { fingerprint });
}

const mappedTo = (endpoint: Endpoint, id: Uint8Array) => encodeXorMappedAddress(bytesOf(endpoint), id);
const success = (id: Uint8Array, mapped = MAPPED, more: readonly StunAttribute[] = [], options: AnswerOptions = {}) =>
  answer(id, [mappedTo(mapped, id), ...more], options);

describe("requests", () => {
  test("go out at 0, 100, 300, 700 and 1,500 ms, all the same, and are given up after 3 s", async () => {
    const { clock, port, outcome } = await ask();
    await run(clock, 2_999);
    expect(outcome()).toBe("waiting");
    await run(clock, 1);
    expect(outcome()).toBe("ERR_STUN_TIMEOUT");
    expect(port.sent.map(({ at }) => at)).toEqual([0, 100, 300, 700, 1_500]);
    expect(port.sent.every(({ to }) => to.host === SERVER.host && to.port === SERVER.port)).toBe(true);
    for (const { bytes } of port.sent) expect(bytes).toEqual(port.sent[0]?.bytes);
    expect([clock.pendingTimers, port.receivers]).toEqual([0, 0]);
  });

  test("have a fingerprint and nothing else, and another transaction id each time", async () => {
    const clock = new VirtualClock();
    const port = new FakePort(clock);
    const random = new SeededRandom(3);
    for (let i = 0; i < 100; i++) void stunBinding(port, SERVER, { clock, random }).catch(() => undefined);
    const ids = new Set(port.sent.map(({ bytes }) => decodeStunMessage(bytes).transactionId.join()));
    expect(ids.size).toBe(100);
    const { bytes } = port.sent[0] as { bytes: Uint8Array };
    expect(bytes).toHaveLength(28);
    expect(verifyStunFingerprint(bytes)).toBe(true);
    expect(decodeStunMessage(bytes)).toMatchObject({ messageClass: STUN_CLASS.REQUEST, method: STUN_BINDING });
  });

  test("stop when the answer comes, and nothing is left behind", async () => {
    const { clock, port, id, result } = await ask();
    await run(clock, 150);
    port.receive(success(id), SERVER);
    expect(await result).toEqual({ mapped: MAPPED, server: SERVER, otherAddress: null, responseOrigin: null, rttMs: 150 });
    await run(clock, 5_000);
    expect(port.sent).toHaveLength(2);
    expect([clock.pendingTimers, port.receivers]).toEqual([0, 0]);
  });

  test("stop when the signal aborts, with its reason", async () => {
    const abort = new AbortController();
    const { clock, port, outcome } = await ask({ signal: abort.signal });
    await run(clock, 150);
    abort.abort("enough");
    await settled();
    expect(outcome()).toBe("enough");
    expect([clock.pendingTimers, port.receivers]).toEqual([0, 0]);
    const late = await ask({ signal: abort.signal });
    expect([late.outcome(), late.port.sent.length]).toEqual(["enough", 0]);
  });

  test.each([
    [{ host: "stun.example", port: 3478 }, "ERR_ADDRESS_INVALID"],
    [{ host: "", port: 3478 }, "ERR_ADDRESS_INVALID"],
    [{ host: "1.2.3", port: 3478 }, "ERR_ADDRESS_INVALID"],
    [{ host: "203.0.113.1", port: 0 }, "ERR_PORT_INVALID"],
    [{ host: "203.0.113.1", port: 65_536 }, "ERR_PORT_INVALID"],
  ])("never go to %j", async (server, code) => {
    const { port, outcome } = await ask({}, server);
    expect([outcome(), port.sent.length]).toEqual([code, 0]);
  });
});

describe("answers", () => {
  test("are taken with a fingerprint that fits, without one, and with what may be skipped", async () => {
    for (const [more, options] of [
      [[], { fingerprint: true }],
      [[], {}],
      [[{ type: 0x8022, value: new Uint8Array(7) }], { fingerprint: true }],
      [[encodeStunAddress(STUN_ATTRIBUTE.MAPPED_ADDRESS, bytesOf(MAPPED))], {}],
    ] as const) {
      const { port, id, result } = await ask();
      port.receive(success(id, MAPPED, more, options), SERVER);
      expect((await result).mapped).toEqual(MAPPED);
    }
  });

  test("come on IPv6 too, in whatever spelling", async () => {
    const server = { host: "2001:DB8:0:0::1", port: 3478 };
    const mapped = { host: "2001:db8:0:0:1::7", port: 1 };
    const { port, id, result } = await ask({}, server);
    port.receive(success(id, mapped), { host: "2001:db8::1", port: 3478 });
    expect(await result).toMatchObject({
      mapped: { host: "2001:db8::1:0:0:7", port: 1 },
      server: { host: "2001:db8::1", port: 3478 },
    });
  });

  test("name an IPv4 server as IPv4, although the socket shows it in IPv6 clothes", async () => {
    const { port, id, result } = await ask({}, { host: "::ffff:203.0.113.1", port: 3478 });
    expect(port.sent[0]?.to).toEqual(SERVER);
    port.receive(success(id), { host: "::ffff:cb00:7101", port: 3478 });
    expect((await result).server).toEqual(SERVER);
  });

  test("tell where else the server answers, and from where it answered", async () => {
    const { port, id, result } = await ask();
    const more = [
      encodeStunAddress(STUN_ATTRIBUTE.OTHER_ADDRESS, bytesOf(OTHER)),
      encodeStunAddress(STUN_ATTRIBUTE.RESPONSE_ORIGIN, bytesOf(SERVER)),
    ];
    port.receive(success(id, MAPPED, more, { fingerprint: true }), SERVER);
    expect(await result).toMatchObject({ otherAddress: OTHER, responseOrigin: SERVER });
  });

  test.each([
    ["our own machine", { host: "127.0.0.1", port: 3479 }],
    ["our own network", { host: "192.168.1.1", port: 3479 }],
    ["a group", { host: "224.0.0.1", port: 3479 }],
    ["nowhere", { host: "0.0.0.0", port: 3479 }],
    ["somebody's DNS server", { host: "203.0.113.2", port: 53 }],
    ["port 0", { host: "203.0.113.2", port: 0 }],
    ["the other family", { host: "2001:db8::1", port: 3479 }],
  ])("cannot send us to %s", async (_, other) => {
    const { port, id, result } = await ask();
    port.receive(success(id, MAPPED, [encodeStunAddress(STUN_ATTRIBUTE.OTHER_ADDRESS, bytesOf(other))]), SERVER);
    expect((await result).otherAddress).toBeNull();
  });
});

describe("spoofed and broken answers are ignored, and the timer goes on", () => {
  const flipped = (bytes: Uint8Array, at: number, bit = 1) => bytes.map((byte, i) => (i === at ? byte ^ bit : byte));
  const withLength = (bytes: Uint8Array, length: number) => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint16(2, length);
    return copy;
  };
  const otherId = new Uint8Array(12).fill(7);

  test.each<[string, (id: Uint8Array) => Uint8Array, Endpoint?]>([
    ["another transaction id", () => success(otherId)],
    ["a transaction id with one flipped bit", (id) => flipped(success(id), 19)],
    ["another address", (id) => success(id), { host: "203.0.113.9", port: 3478 }],
    ["another port", (id) => success(id), { host: "203.0.113.1", port: 3479 }],
    ["another cookie", (id) => flipped(success(id), 5)],
    ["the class of a request", (id) => success(id, MAPPED, [], { messageClass: STUN_CLASS.REQUEST })],
    ["the class of an indication", (id) => success(id, MAPPED, [], { messageClass: STUN_CLASS.INDICATION })],
    ["another method", (id) => success(id, MAPPED, [], { method: 3 })],
    ["a fingerprint that does not fit", (id) => flipped(success(id, MAPPED, [], { fingerprint: true }), 39)],
    ["a mapped address that does not fit the fingerprint", (id) => flipped(success(id, MAPPED, [], { fingerprint: true }), 31)],
    ["a length that is too small", (id) => withLength(success(id), 8)],
    ["a length that is too large", (id) => withLength(success(id), 16)],
    ["a length of 65,535", (id) => withLength(success(id), 65_535)],
    ["a length that is no multiple of four", (id) => withLength(success(id), 11)],
    ["an attribute that passes the end", (id) => flipped(success(id), 23, 16)],
    ["an attribute that is cut off", (id) => success(id).subarray(0, 26)],
    ["a header that is cut off", (id) => success(id).subarray(0, 19)],
    ["bytes behind the end", (id) => concatBytes(success(id), new Uint8Array(4))],
    ["nothing at all", () => new Uint8Array(0)],
    ["more than a datagram has", (id) => success(id, MAPPED, [{ type: 0x8022, value: new Uint8Array(1_500) }])],
    ["no mapped address", (id) => answer(id, [])],
    ["two mapped addresses", (id) => success(id, MAPPED, [mappedTo(OTHER, id)])],
    ["a mapped address that is too short", (id) => answer(id, [{ type: 0x0020, value: new Uint8Array([0, 1, 2]) }])],
    ["a mapped address of no family", (id) => answer(id, [{ type: 0x0020, value: new Uint8Array([0, 3, 2]) }])],
    ["a mapped address of the other family", (id) => success(id, { host: "2001:db8::1", port: 9 })],
    ["a mapped address that is 0.0.0.0", (id) => success(id, { host: "0.0.0.0", port: 9 })],
    ["a mapped address of our own machine", (id) => success(id, { host: "127.0.0.1", port: 9 })],
    ["a mapped address of a group", (id) => success(id, { host: "224.0.0.1", port: 9 })],
    ["a mapped port 0", (id) => success(id, { host: "198.51.100.7", port: 0 })],
    [
      "an error code that is none",
      (id) => answer(id, [{ type: 9, value: new Uint8Array(4) }], { messageClass: STUN_CLASS.ERROR }),
    ],
  ])("%s", async (_, make, from = SERVER) => {
    const { clock, port, id, result, outcome } = await ask();
    port.receive(make(id), from);
    await run(clock, 350);
    expect(outcome()).toBe("waiting");
    expect(port.sent).toHaveLength(3);
    port.receive(success(id), SERVER);
    expect((await result).mapped).toEqual(MAPPED);
  });

  test.skipIf(!present)("a fuzz corpus, with our cookie and our transaction id put in", async () => {
    const { port, id, outcome } = await ask();
    for (const hex of corpus()) {
      const bytes = fromHex(hex);
      port.receive(bytes, SERVER);
      if (bytes.length < 20) continue;
      bytes.set([0x21, 0x12, 0xa4, 0x42, ...id], 4);
      // As an answer: success, then error; without, then with a true length.
      for (const type of [0x0101, 0x0111]) {
        new DataView(bytes.buffer).setUint16(0, type);
        port.receive(bytes, SERVER);
        new DataView(bytes.buffer).setUint16(2, bytes.length - 20);
        port.receive(bytes, SERVER);
      }
    }
    await settled();
    expect(["waiting", "ERR_STUN_REFUSED"]).toContain(outcome());
  });

  test("whatever is cut or flipped in a whole answer with a fingerprint", async () => {
    const { clock, port, id, outcome } = await ask();
    const whole = success(id, MAPPED, [encodeStunAddress(STUN_ATTRIBUTE.OTHER_ADDRESS, bytesOf(OTHER))], { fingerprint: true });
    for (let length = 0; length < whole.length; length++) port.receive(whole.subarray(0, length), SERVER);
    for (let bit = 0; bit < whole.length * 8; bit++) {
      // FINGERPRINT may be missing: an answer whose attribute has another type is one without.
      const at = bit >> 3;
      if (at >= whole.length - 8 && at < whole.length - 6) continue;
      port.receive(flipped(whole, at, 1 << (bit & 7)), SERVER);
    }
    await run(clock, 1);
    expect(outcome()).toBe("waiting");
  });
});

describe("error responses", () => {
  const error = (id: Uint8Array, ...attributes: StunAttribute[]) => answer(id, attributes, { messageClass: STUN_CLASS.ERROR });

  test.each([300, 400, 401, 420, 438, 500, 699])("%i ends the transaction", async (code) => {
    const { port, id, result } = await ask();
    port.receive(error(id, encodeErrorCode(code)), SERVER);
    await expect(result).rejects.toMatchObject({ code: "ERR_STUN_REFUSED", message: expect.stringContaining(String(code)) });
  });

  test("ALTERNATE-SERVER is not followed", async () => {
    const { clock, port, id, outcome } = await ask();
    const elsewhere = encodeStunAddress(STUN_ATTRIBUTE.ALTERNATE_SERVER, bytesOf({ host: "127.0.0.1", port: 22 }));
    port.receive(error(id, encodeErrorCode(300), elsewhere), SERVER);
    await run(clock, 5_000);
    expect(outcome()).toBe("ERR_STUN_REFUSED");
    expect(port.sent).toHaveLength(1);
  });

  test("from somebody else end nothing", async () => {
    const { port, id, outcome } = await ask();
    port.receive(error(id, encodeErrorCode(400)), OTHER);
    await settled();
    expect(outcome()).toBe("waiting");
  });

  test("and answers that must be understood and are not end it too", async () => {
    const strange = { type: 0x7abc, value: new Uint8Array(4) };
    for (const make of [
      (id: Uint8Array) => success(id, MAPPED, [strange]),
      (id: Uint8Array) => error(id),
      (id: Uint8Array) => error(id, encodeErrorCode(500), strange),
    ]) {
      const { port, id, result } = await ask();
      port.receive(make(id), SERVER);
      await expect(result).rejects.toMatchObject({ code: "ERR_STUN_REFUSED" });
    }
  });
});

describe("a request to be answered from elsewhere", () => {
  const elsewhere = { change: { address: true, port: true, otherAddress: OTHER } };

  test("says so, and takes the answer from there alone", async () => {
    const { port, id, result, outcome } = await ask(elsewhere);
    const change = findStunAttribute(
      decodeStunMessage((port.sent[0] as { bytes: Uint8Array }).bytes),
      STUN_ATTRIBUTE.CHANGE_REQUEST,
    );
    expect(decodeChangeRequest(change?.value as Uint8Array)).toEqual({ address: true, port: true });
    for (const from of [
      { host: OTHER.host, port: SERVER.port },
      { host: SERVER.host, port: OTHER.port },
      { host: "203.0.113.3", port: OTHER.port },
    ])
      port.receive(success(id), from);
    await settled();
    expect(outcome()).toBe("waiting");
    port.receive(success(id), OTHER);
    expect((await result).mapped).toEqual(MAPPED);
  });

  test("changes the port alone where only that is asked", async () => {
    const { port, id, result } = await ask({ change: { address: false, port: true, otherAddress: OTHER } });
    expect(port.sent[0]?.bytes[27]).toBe(0x02);
    port.receive(success(id), { host: SERVER.host, port: OTHER.port });
    expect((await result).server).toEqual(SERVER);
  });

  test("ends when the server refuses, or answers from where it was asked", async () => {
    for (const make of [
      (id: Uint8Array) => success(id),
      (id: Uint8Array) => answer(id, [encodeErrorCode(420)], { messageClass: STUN_CLASS.ERROR }),
    ]) {
      const { port, id, result } = await ask(elsewhere);
      port.receive(make(id), SERVER);
      await expect(result).rejects.toMatchObject({ code: "ERR_STUN_REFUSED" });
    }
  });
});

describe("endpoints", () => {
  test.each([
    ["2001:db8::1", "20010db8000000000000000000000001"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["1::", "00010000000000000000000000000000"],
    ["2001:0:0:1::1", "20010000000000010000000000000001"],
    ["2001:db8:0:1:1:1:1:1", "20010db8000000010001000100010001"],
    ["2001:db8::1:0:0:1", "20010db8000000000001000000000001"],
    ["198.51.100.7", "00000000000000000000ffffc6336407"],
  ])("%s is written as RFC 5952 wants it", (text, hex) => {
    const address = Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
    expect(fromStunEndpoint({ address, port: 1 })).toEqual({ host: text, port: 1 });
    const back = toStunEndpoint({ host: text, port: 1 })?.address;
    expect(back).toEqual(text.includes(":") ? address : address.slice(12));
  });
});
