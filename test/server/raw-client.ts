// A relay client of a few lines, for tests that must say things which the real one never says.

import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import WebSocket, { type ClientOptions } from "ws";
import { concatBytes } from "../../src/core/bytes.js";
import { encodePeerId } from "../../src/core/identity.js";
import { relayAuthority } from "../../src/core/relay/relay-address.js";
import { decodeServerFrame, encodeLogin, type RelayServerFrame } from "../../src/core/relay/relay-frame.js";
import { loginMessage } from "../../src/core/relay/relay-login.js";

export interface TestKey {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
  readonly peerId: string;
}

export function newKey(): TestKey {
  const pair = generateKeyPairSync("ed25519");
  // Not as JWK: on Node 20 that can wait for ever, if the key is a generated one and garbage is collected meanwhile.
  const publicKey = new Uint8Array(pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  return { publicKey, privateKey: pair.privateKey, peerId: encodePeerId(publicKey) };
}

export interface CloseEvent {
  readonly code: number;
  readonly reason: string;
}

// Some frames share a shape and have several kinds, so Extract alone would find none of them.
type FrameOf<Kind extends RelayServerFrame["kind"], Frame = RelayServerFrame> = Frame extends { readonly kind: infer Kinds }
  ? Kind extends Kinds
    ? Frame
    : never
  : never;

/** Frames queue up until a test asks for them. */
export class RawClient {
  readonly ws: WebSocket;
  readonly url: string;
  readonly closed: Promise<CloseEvent>;
  readonly frames: RelayServerFrame[] = [];
  #wake: () => void = () => {};

  constructor(url: string, options: ClientOptions = {}) {
    this.url = url;
    this.ws = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.ws.on("error", () => {});
    this.ws.on("message", (data) => {
      this.frames.push(decodeServerFrame(new Uint8Array(data as Buffer)));
      this.#wake();
    });
    this.closed = new Promise((resolve) =>
      this.ws.once("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      }),
    );
  }

  /** The next frame of a kind; frames of other kinds before it stay. */
  async next<Kind extends RelayServerFrame["kind"]>(kind: Kind): Promise<FrameOf<Kind>> {
    for (;;) {
      const at = this.frames.findIndex((frame) => frame.kind === kind);
      if (at >= 0) return this.frames.splice(at, 1)[0] as FrameOf<Kind>;
      if (this.ws.readyState === WebSocket.CLOSED) throw new Error(`closed while waiting for ${kind}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(frame: Uint8Array): void {
    if (this.ws.readyState !== WebSocket.OPEN) throw new Error("the relay has closed this connection");
    this.ws.send(frame);
  }

  async login(key: TestKey = newKey(), authority = relayAuthority(this.url)): Promise<TestKey> {
    const { nonce } = await this.next("challenge");
    this.send(loginFrame(key, nonce, authority));
    await this.next("welcome");
    return key;
  }
}

export function loginFrame(key: TestKey, nonce: Uint8Array, authority: string): Uint8Array {
  const signature = sign(null, loginMessage(nonce, authority, key.publicKey), key.privateKey);
  return encodeLogin(key.publicKey, new Uint8Array(signature), authority);
}

/** A FORWARD written out by hand, so that the tests do not lean on our encoder alone. */
export function forwardFrame(destination: Uint8Array, payload: Uint8Array): Uint8Array {
  return concatBytes(new Uint8Array([4]), destination, payload);
}

/** Bytes that differ at every place. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff);
}

/** How long a condition may take, in ms. */
const UNTIL_DEADLINE_MS = 20_000;

/** Waits until a condition holds, looking every few ms. It always gives others a turn first: a loop around it starves nobody. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + UNTIL_DEADLINE_MS;
  await new Promise((resolve) => setImmediate(resolve));
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`still not so after ${UNTIL_DEADLINE_MS} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
