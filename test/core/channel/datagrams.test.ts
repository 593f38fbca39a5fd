// Datagrams of a channel: each opens at most once, in whatever order they come; what was forged, altered or replayed costs nothing.

import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CAPABILITY_DATAGRAMS, encodeProof, readCapabilities } from "../../../src/core/channel/identity-proof.js";
import { DATAGRAM_LABEL, SealedDatagrams } from "../../../src/core/channel/sealed-datagrams.js";
import { MAX_NONCE } from "../../../src/core/noise/cipher-state.js";
import { SymmetricState } from "../../../src/core/noise/symmetric-state.js";
import type { Datagrams } from "../../../src/core/path/link.js";
import type { AeadKey, CipherName } from "../../../src/core/runtime.js";
import { SEEN_NUMBERS } from "../../../src/core/seen-numbers.js";
import { nobleProvider, nodeProvider } from "../../crypto/providers.js";
import type { DatagramFate } from "../../sim/memory-link.js";
import { ChannelLab, type End, newContext } from "./support.js";

const arrive: DatagramFate = () => [1];

/** Both ends of an open channel over a wire whose datagrams the test delivers by hand. */
async function byHand(): Promise<{ lab: ChannelLab; a: End; b: End; toBob(datagram: Uint8Array): void }> {
  const lab = new ChannelLab({ datagrams: () => [] });
  const { a, b } = await lab.open();
  const toBob = (datagram: Uint8Array): void => {
    // biome-ignore lint/complexity/useLiteralKeys: it is protected
    lab.wire.accepting["deliverDatagram"](datagram);
  };
  return { lab, a, b, toBob };
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const altered = bytes.slice();
  altered[at] = (altered[at] as number) ^ 1;
  return altered;
}

describe("the datagrams of a channel", () => {
  test("pass both ways, of every size up to the largest, beside the records", async () => {
    const lab = new ChannelLab({ datagrams: arrive });
    const { a, b } = await lab.open();
    const maxBytes = a.channel.datagrams?.maxBytes as number;
    expect(maxBytes).toBe(1_100 - 4 - 16);
    for (const size of [0, 1, maxBytes]) {
      expect(a.channel.datagrams?.send(new Uint8Array(size).fill(1))).toBe(true);
      expect(b.channel.datagrams?.send(new Uint8Array(size).fill(2))).toBe(true);
    }
    a.channel.send(Uint8Array.of(3));
    await lab.run(10);
    expect(b.datagrams.map(({ length }) => length)).toEqual([0, 1, maxBytes]);
    expect(a.datagrams).toEqual([0, 1, maxBytes].map((size) => new Uint8Array(size).fill(2)));
    expect(b.records).toEqual([Uint8Array.of(3)]);
    expect(lab.wire.datagramsForth.every(({ length }) => length <= 1_100)).toBe(true);
  });

  test.each([
    ["the dialling", { datagrams: arrive, acceptingDatagrams: undefined }],
    ["the accepting", { acceptingDatagrams: arrive }],
  ] as const)("are not used when only %s end has them", async (_name, options) => {
    const lab = new ChannelLab(options);
    const { a, b } = await lab.open();
    expect([a.channel.datagrams, b.channel.datagrams]).toEqual([undefined, undefined]);
    // What comes all the same is lost.
    for (const end of [lab.wire.dialling, lab.wire.accepting]) end.datagrams?.send(new Uint8Array(40));
    await lab.run(10);
    expect([a.datagrams, b.datagrams]).toEqual([[], []]);
    a.channel.send(Uint8Array.of(1));
    await lab.run(10);
    expect(b.records.length).toBe(1);
  });

  test("are announced by a bit of the capabilities, and other bits mean nothing", () => {
    const [key, signature] = [new Uint8Array(32), new Uint8Array(64)];
    expect(CAPABILITY_DATAGRAMS).toBe(1);
    expect(readCapabilities(encodeProof(key, signature))).toBe(0);
    expect(readCapabilities(encodeProof(key, signature, 0xffff_fffe)) & CAPABILITY_DATAGRAMS).toBe(0);
  });

  test("that come before the channel is open are lost, and nothing else", async () => {
    const lab = new ChannelLab({ datagrams: arrive, delayMs: 20 });
    const { a, b } = await lab.open(null, 45);
    // Message 3 is still under way.
    expect([a.code, a.peerId === null, b.peerId]).toEqual(["open", false, null]);
    a.channel.datagrams?.send(Uint8Array.of(1));
    await lab.run(3);
    expect(b.datagrams).toEqual([]);
    await lab.run(100);
    a.channel.datagrams?.send(Uint8Array.of(2));
    await lab.run(3);
    expect(b.datagrams).toEqual([Uint8Array.of(2)]);
  });

  test("open in any order, each once, however often one comes", async () => {
    const { lab, a, b, toBob } = await byHand();
    for (let i = 0; i < 5; i++) a.channel.datagrams?.send(Uint8Array.of(i));
    const sent = lab.wire.datagramsForth;
    for (const i of [3, 3, 0, 4, 1, 0, 3, 4, 2]) toBob(sent[i]!);
    expect(b.datagrams.map(([value]) => value)).toEqual([3, 0, 4, 1, 2]);
    expect(b.code).toBe("open");
  });

  test("open when they are late by less than the window, and not when by more", async () => {
    const { lab, a, b, toBob } = await byHand();
    for (let i = 0; i <= SEEN_NUMBERS; i++) a.channel.datagrams?.send(Uint8Array.of(i & 255, i >> 8));
    const sent = lab.wire.datagramsForth;
    toBob(sent[SEEN_NUMBERS]!);
    toBob(sent[0]!);
    toBob(sent[1]!);
    expect(b.datagrams).toEqual([Uint8Array.of(0, 4), Uint8Array.of(1, 0)]);
  });

  test.each<readonly [string, (datagram: Uint8Array) => Uint8Array]>([
    ["empty", () => new Uint8Array(0)],
    ["shorter than counter and tag", (datagram) => datagram.subarray(0, 19)],
    ["cut by a byte", (datagram) => datagram.subarray(0, -1)],
    ["longer by a byte", (datagram) => Uint8Array.of(...datagram, 0)],
    ["of another counter", (datagram) => flipped(datagram, 3)],
    ["of a counter far ahead", (datagram) => flipped(datagram, 0)],
    ["of the last counter", (datagram) => Uint8Array.of(255, 255, 255, 255, ...datagram.subarray(4))],
    ["altered in its text", (datagram) => flipped(datagram, 4)],
    ["altered in its tag", (datagram) => flipped(datagram, datagram.length - 1)],
    ["made up", () => new Uint8Array(1_100).fill(7)],
  ])("that are %s are dropped without a word, and the real one opens after a thousand of them", async (_name, forge) => {
    const { lab, a, b, toBob } = await byHand();
    a.channel.datagrams?.send(Uint8Array.of(9));
    const [real] = lab.wire.datagramsForth;
    for (let i = 0; i < 1_000; i++) toBob(forge(real!));
    expect(b.datagrams).toEqual([]);
    expect(b.code).toBe("open");
    toBob(real!);
    expect(b.datagrams).toEqual([Uint8Array.of(9)]);
    a.channel.send(Uint8Array.of(1));
    await lab.run(10);
    expect(b.records).toEqual([Uint8Array.of(1)]);
  });

  test("do not open as those of the other direction, of another channel, or as a record; nor a record as one", async () => {
    const { lab, a, b, toBob } = await byHand();
    const other = await byHand();
    b.channel.datagrams?.send(Uint8Array.of(1));
    other.a.channel.datagrams?.send(Uint8Array.of(2));
    a.channel.send(Uint8Array.of(3));
    toBob(lab.wire.datagramsBack[0]!);
    toBob(other.lab.wire.datagramsForth[0]!);
    const record = lab.wire.forth.at(-1)!;
    toBob(record);
    toBob(Uint8Array.of(0, 0, 0, 0, ...record));
    await lab.run(10);
    expect(b.datagrams).toEqual([]);
    a.channel.datagrams?.send(Uint8Array.of(4));
    lab.wire.dialling.send(lab.wire.datagramsForth[0]!.subarray(4));
    await lab.run(10);
    expect(b.code).toBe("ERR_CRYPTO_TAG");
  });

  test("are not sent once the channel is closed, nor when the link throws; records go on", async () => {
    const lab = new ChannelLab({ datagrams: arrive });
    const { a, b } = await lab.open();
    const { datagrams } = lab.wire.dialling;
    Object.assign(datagrams!, {
      send: () => {
        throw new Error("a custom transport with a fault");
      },
    });
    expect(a.channel.datagrams?.send(Uint8Array.of(1))).toBe(false);
    a.channel.send(Uint8Array.of(1));
    await lab.run(10);
    expect(b.records.length).toBe(1);
    a.channel.close();
    expect(a.channel.datagrams?.send(Uint8Array.of(1))).toBe(false);
  });
});

describe("the keys of datagrams", () => {
  /** Both ends of a channel, and every key and nonce that Alice seals with. */
  async function watched(cipher: CipherName) {
    const lab = new ChannelLab({ datagrams: arrive, kind: cipher === "AESGCM" ? "tcp" : "webrtc" });
    const keys: Uint8Array[] = [];
    const used: string[] = [];
    const crypto = Object.create(nodeProvider) as typeof nodeProvider;
    Object.defineProperty(crypto, "hasFastAes", { value: true });
    crypto.aead = (name, key) => {
      const number = keys.push(key.slice()) - 1;
      const made = nodeProvider.aead(name, key);
      return {
        seal: (nonce, ad, plaintext) => {
          used.push(`${name} ${number} ${nonce}`);
          return made.seal(nonce, ad, plaintext);
        },
        open: (nonce, ad, ciphertext) => made.open(nonce, ad, ciphertext),
      };
    };
    lab.alice = newContext(lab.clock, 1, crypto);
    const ends = await lab.open();
    return { lab, ...ends, keys, used };
  }

  test.each(["ChaChaPoly", "AESGCM"] as const)(
    "of %s are four in all with those of the records, and no nonce comes twice",
    async (cipher) => {
      const { lab, a, b, keys, used } = await watched(cipher);
      for (let i = 0; i < 50; i++) {
        a.channel.send(Uint8Array.of(i));
        a.channel.datagrams?.send(Uint8Array.of(i));
      }
      await lab.run(10);
      expect([b.records.length, b.datagrams.length]).toEqual([50, 50]);
      const hex = keys.slice(-4).map((key) => Buffer.from(key).toString("hex"));
      expect(new Set(hex).size).toBe(4);
      expect(new Set(used).size).toBe(used.length);
      expect(used.every((one) => one.startsWith(cipher))).toBe(true);
    },
  );

  test("are the same in Node and in a browser", async () => {
    const lab = new ChannelLab({ datagrams: arrive });
    lab.bob = newContext(lab.clock, 2, nobleProvider);
    const { a, b } = await lab.open();
    a.channel.datagrams?.send(Uint8Array.of(1));
    b.channel.datagrams?.send(Uint8Array.of(2));
    await lab.run(10);
    expect([a.datagrams, b.datagrams]).toEqual([[Uint8Array.of(2)], [Uint8Array.of(1)]]);
  });

  /** A link that keeps what it is given. */
  function keeping(): { sent: Uint8Array[]; link: Datagrams } {
    const sent: Uint8Array[] = [];
    return { sent, link: { maxBytes: 1_100, send: (datagram) => sent.push(datagram) > 0 } };
  }

  test("end at the last counter: nothing is sealed any more, and nothing wraps around", () => {
    const key = nodeProvider.aead("ChaChaPoly", new Uint8Array(32));
    const { sent, link } = keeping();
    const datagrams = new SealedDatagrams(link, [key, key], MAX_NONCE - 1);
    expect([1, 2, 3].map((value) => datagrams.send(Uint8Array.of(value)))).toEqual([true, false, false]);
    expect(sent.map((datagram) => [...datagram.subarray(0, 4)])).toEqual([[255, 255, 255, 254]]);
    expect(datagrams.open(sent[0]!)).toEqual(Uint8Array.of(1));
  });

  test("use up a counter even when the cipher throws", () => {
    const nonces: (number | bigint)[] = [];
    const key: AeadKey = {
      seal: (nonce) => {
        nonces.push(nonce);
        if (nonces.length === 1) throw new Error("out of memory");
        return new Uint8Array(16);
      },
      open: () => new Uint8Array(0),
    };
    const datagrams = new SealedDatagrams(keeping().link, [key, key]);
    expect([datagrams.send(Uint8Array.of(1)), datagrams.send(Uint8Array.of(1))]).toEqual([false, true]);
    expect(nonces).toEqual([0, 1]);
  });

  test("follow from the chaining key, the label and the handshake hash as PROTOCOL.md says", () => {
    const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac("sha256", key).update(data).digest();
    const name = "Noise_XX_25519_ChaChaPoly_SHA256";
    const symmetric = new SymmetricState(nodeProvider, name, "ChaChaPoly", "SHA256");
    symmetric.mixHash(Uint8Array.of(1, 2, 3));
    symmetric.mixKey(new Uint8Array(32).fill(4));
    const h = createHash("sha256")
      .update(Buffer.concat([Buffer.from(name), Uint8Array.of(1, 2, 3)]))
      .digest();
    const ck = hmac(hmac(Buffer.from(name), new Uint8Array(32).fill(4)), Uint8Array.of(1));
    const extracted = hmac(ck, new Uint8Array(0));
    const first = hmac(extracted, Uint8Array.of(1));
    const second = hmac(extracted, Buffer.concat([first, Uint8Array.of(2)]));
    const third = hmac(extracted, Buffer.concat([second, Uint8Array.of(3)]));
    const own = hmac(third, Buffer.concat([Buffer.from("linknet datagram 1\0"), h]));
    const forth = hmac(own, Uint8Array.of(1));
    const back = hmac(own, Buffer.concat([forth, Uint8Array.of(2)]));
    expect(symmetric.additionalKeys(DATAGRAM_LABEL).map((key) => Buffer.from(key))).toEqual([forth, back]);
    // And the keys of the transport are what they were.
    const [send] = symmetric.split(false);
    expect(send.seal(Uint8Array.of(5))).toEqual(
      nodeProvider.aead("ChaChaPoly", first).seal(0, new Uint8Array(0), Uint8Array.of(5)),
    );
  });
});
