// What the channel tests share: a channel at each end of a wire, and everything that it was told.

import { type ChannelContext, SecureChannel } from "../../../src/core/channel/secure-channel.js";
import type { NetworkError } from "../../../src/core/errors.js";
import type { PeerId } from "../../../src/core/events.js";
import { createIdentity, type Identity } from "../../../src/core/identity.js";
import type { Link } from "../../../src/core/path/link.js";
import type { CryptoProvider, SigningKey } from "../../../src/core/runtime.js";
import { nodeProvider } from "../../crypto/providers.js";
import { run } from "../../sim/flush.js";
import { MemoryWire, type WireOptions } from "../../sim/memory-link.js";
import { SeededRandom } from "../../sim/seeded-random.js";
import { VirtualClock } from "../../sim/virtual-clock.js";

/** One end of a channel, and what it was told. */
export class End {
  readonly channel: SecureChannel;
  readonly records: Uint8Array[] = [];
  readonly datagrams: Uint8Array[] = [];
  peerId: PeerId | null = null;
  readonly closed: (NetworkError | null)[] = [];
  drained = 0;

  constructor(link: Link, initiator: boolean, context: ChannelContext, expected: PeerId | null = null) {
    this.channel = new SecureChannel(link, initiator, expected, context, {
      open: (peerId) => {
        this.peerId = peerId;
      },
      record: (bytes) => this.records.push(bytes),
      datagram: (bytes) => this.datagrams.push(bytes),
      drain: () => this.drained++,
      closed: (error) => this.closed.push(error),
    });
  }

  /** Code of the error it was closed with; `"clean"` without one, `"open"` before. */
  get code(): string {
    if (this.closed.length === 0) return "open";
    return this.closed[0]?.code ?? "clean";
  }
}

export function newContext(clock: VirtualClock, seed: number, crypto: CryptoProvider = nodeProvider): ChannelContext {
  const identity = createIdentity(new SeededRandom(seed).bytes(32), { random: new SeededRandom(seed), crypto });
  return { crypto, clock, identity, staticKey: crypto.generateDhKeyPair(), handshakeTimeoutMs: 10_000 };
}

/** An identity whose signatures take `ms` of virtual time, as a key inside WebCrypto does. */
export function slowSigner(clock: VirtualClock, key: SigningKey, ms: number): Identity {
  return createIdentity(
    {
      publicKey: key.publicKey,
      sign: (message) =>
        new Promise((resolve) => {
          clock.after(ms, () => resolve(key.sign(message)));
        }),
    },
    { random: new SeededRandom(1), crypto: nodeProvider },
  );
}

/** Alice dials Bob. */
export class ChannelLab {
  readonly clock = new VirtualClock();
  alice = newContext(this.clock, 1);
  bob = newContext(this.clock, 2);
  readonly wire: MemoryWire;

  constructor(options: WireOptions = {}) {
    this.wire = new MemoryWire(this.clock, options);
  }

  /** Starts both ends and waits. */
  async open(expected: PeerId | null = null, waitMs = 100): Promise<{ a: End; b: End }> {
    const b = new End(this.wire.accepting, false, this.bob);
    const a = new End(this.wire.dialling, true, this.alice, expected);
    await run(this.clock, waitMs);
    return { a, b };
  }

  run(ms: number): Promise<void> {
    return run(this.clock, ms);
  }
}
