// Rooms: everybody who joined the same name at the same relay meets everybody else in it.

import { backoffDelay } from "./backoff.js";
import { Emitter, type PeerId } from "./events.js";
import type { OutgoingMessage } from "./message/message.js";
import type { Clock, Millis, Random, Timer } from "./runtime.js";

/** A room that we are in. Sessions with its members open by themselves. */
export interface Room {
  readonly name: string;
  /** The others in it, as the relay tells; whether one is connected, `getConnectedPeers()` says. */
  readonly members: readonly PeerId[];
  /** @returns how to stop listening */
  on(event: "join" | "leave", handler: (peerId: PeerId) => void): () => void;
  /** Sends to all members that have a session. @returns how many took it */
  broadcast(message: OutgoingMessage): number;
  /** Leaves the room. Sessions stay. */
  leave(): Promise<void>;
}

/** Who was there first waits this long for the newcomer to dial, so that not both do. */
const NEWCOMER_DIALS_MS: Millis = 3_000;
const RETRY_BASE_MS: Millis = 1_000;
const RETRY_MAX_MS: Millis = 30_000;

export interface RoomContext {
  readonly clock: Clock;
  readonly random: Random;
  hasSession(peerId: PeerId): boolean;
  connect(peerId: PeerId): Promise<unknown>;
  send(peerIds: readonly PeerId[], message: OutgoingMessage): number;
  leave(room: string): void;
  onThrow(error: unknown): void;
}

interface Member {
  /** Relays that say so. */
  readonly relays: Set<string>;
  timer: Timer | null;
  failures: number;
}

export class JoinedRoom implements Room {
  readonly name: string;
  readonly #context: RoomContext;
  readonly #members = new Map<PeerId, Member>();
  readonly #events: Emitter<{ join: PeerId; leave: PeerId }>;
  #left = false;

  constructor(name: string, context: RoomContext) {
    this.name = name;
    this.#context = context;
    this.#events = new Emitter((error) => context.onThrow(error));
  }

  get members(): readonly PeerId[] {
    return [...this.#members.keys()];
  }

  on(event: "join" | "leave", handler: (peerId: PeerId) => void): () => void {
    return this.#events.on(event, handler);
  }

  broadcast(message: OutgoingMessage): number {
    return this.#context.send(this.members, message);
  }

  async leave(): Promise<void> {
    if (this.#left) return;
    this.stop();
    this.#context.leave(this.name);
  }

  /** Forgets the members and their timers. */
  stop(): void {
    this.#left = true;
    for (const member of this.#members.values()) member.timer?.cancel();
    this.#members.clear();
  }

  /** @param newcomer - whether they came after us, so that it is their turn to dial */
  joined(peerId: PeerId, relay: string, newcomer: boolean): void {
    if (this.#left) return;
    const known = this.#members.get(peerId);
    if (known) {
      known.relays.add(relay);
      return;
    }
    this.#members.set(peerId, { relays: new Set([relay]), timer: null, failures: 0 });
    this.#events.emit("join", peerId);
    this.#meet(peerId, newcomer ? NEWCOMER_DIALS_MS : 0);
  }

  gone(peerId: PeerId, relay: string): void {
    const member = this.#members.get(peerId);
    if (!member) return;
    member.relays.delete(relay);
    if (member.relays.size > 0) return;
    member.timer?.cancel();
    this.#members.delete(peerId);
    this.#events.emit("leave", peerId);
  }

  /** The session with this peer ended, and not by our own wish: while it is in the room, it is met again. */
  sessionEnded(peerId: PeerId): void {
    if (this.#members.has(peerId)) this.#meet(peerId, NEWCOMER_DIALS_MS);
  }

  #meet(peerId: PeerId, delayMs: Millis): void {
    const member = this.#members.get(peerId);
    if (!member || member.timer || this.#left) return;
    member.timer = this.#context.clock.after(delayMs, () => {
      member.timer = null;
      if (this.#left || this.#members.get(peerId) !== member || this.#context.hasSession(peerId)) return;
      this.#context.connect(peerId).then(
        () => {
          member.failures = 0;
        },
        () => {
          const delay = RETRY_BASE_MS + backoffDelay(member.failures++, RETRY_BASE_MS, RETRY_MAX_MS, this.#context.random);
          this.#meet(peerId, delay);
        },
      );
    });
  }
}
