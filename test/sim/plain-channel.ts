// A channel without cryptography, for tests of the session alone: it opens at once and is as strict about its end as the real one.

import { NetworkError } from "../../src/core/errors.js";
import type { Link } from "../../src/core/path/link.js";
import type { PeerSession } from "../../src/core/session/peer-session.js";
import type { SessionChannel } from "../../src/core/session/session-link.js";

type Owner = ReturnType<PeerSession["adopt"]>;

export class PlainChannel implements SessionChannel {
  readonly link: Link;
  readonly initiator: boolean;
  readonly maxRecordBytes: number;
  readonly datagrams: SessionChannel["datagrams"];
  #open = true;
  #owner: Owner | null = null;

  constructor(link: Link, initiator: boolean) {
    this.link = link;
    this.initiator = initiator;
    this.maxRecordBytes = link.maxFrameBytes - 16;
    this.datagrams = link.datagrams;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Joins a session to this channel. */
  join(session: PeerSession, rank: number): void {
    this.#owner = session.adopt(this, rank);
    if (!this.#open) this.#owner.closed(null);
    this.link.attach({
      frame: (frame) => this.#open && this.#owner?.record(frame),
      datagram: (datagram) => this.#open && this.#owner?.datagram(datagram),
      drain: () => this.#open && this.#owner?.drain(),
      closed: (error) => this.#end(error),
    });
  }

  send(plaintext: Uint8Array): boolean {
    if (!this.#open) throw new NetworkError("ERR_CLOSED");
    return this.link.send(plaintext);
  }

  close(): void {
    this.#end(null);
  }

  #end(error: NetworkError | null): void {
    if (!this.#open) return;
    this.#open = false;
    this.link.close();
    this.#owner?.closed(error);
  }
}
