// The rooms that we are in, by name, and the relays that tell who else is.

import { encodeUtf8 } from "./bytes.js";
import { race } from "./connect/race.js";
import type { RelaySet } from "./connect/relay-set.js";
import { noRelays } from "./connect/ways.js";
import { abortable, deadline } from "./deadline.js";
import { NetworkError } from "./errors.js";
import type { PeerId } from "./events.js";
import type { RelayClient } from "./relay/relay-client.js";
import { JoinedRoom, type Room, type RoomContext } from "./room.js";
import type { Millis } from "./runtime.js";

/** Largest name of a room, in bytes of UTF-8. */
const MAX_ROOM_NAME_BYTES = 128;

export class RoomSet {
  readonly #relays: RelaySet;
  readonly #context: Omit<RoomContext, "leave">;
  readonly #timeoutMs: Millis;
  readonly #rooms = new Map<string, { readonly room: JoinedRoom; readonly joined: Promise<unknown> }>();

  constructor(relays: RelaySet, context: Omit<RoomContext, "leave">, timeoutMs: Millis) {
    this.#relays = relays;
    this.#context = context;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws NetworkError `ERR_ROOM_INVALID`, `ERR_ROOM_LIMIT`, `ERR_RELAY_UNAVAILABLE`; or the signal's reason */
  async join(name: string, signal: AbortSignal | undefined): Promise<Room> {
    const bytes = typeof name === "string" ? encodeUtf8(name).length : 0;
    if (bytes < 1 || bytes > MAX_ROOM_NAME_BYTES) throw new NetworkError("ERR_ROOM_INVALID");
    let entry = this.#rooms.get(name);
    if (!entry) {
      const clients = this.#relays.clients;
      if (clients.length === 0) throw noRelays();
      const room = new JoinedRoom(name, { ...this.#context, leave: (left) => this.#leave(left) });
      const { clock } = this.#context;
      const limit = deadline(clock, this.#timeoutMs, undefined, () => new NetworkError("ERR_RELAY_UNAVAILABLE"));
      const attempts = clients.map((client) => () => this.#joinAt(room, client));
      entry = { room, joined: race(attempts, clock, limit.signal, 0).finally(() => limit.clear()) };
      this.#rooms.set(name, entry);
    }
    const { room, joined } = entry;
    try {
      await (signal ? abortable(joined, signal) : joined);
      return room;
    } catch (error) {
      // Who gave up waiting does not take the room from others who asked for it.
      if (!signal?.aborted) await room.leave();
      throw error;
    }
  }

  /** A relay tells that somebody came or went. */
  member(name: string, peerId: PeerId, event: "join" | "leave", url: string): void {
    const room = this.#rooms.get(name)?.room;
    if (event === "join") room?.joined(peerId, url, true);
    else room?.gone(peerId, url);
  }

  /** A session ended: rooms that the peer is still in meet it again. */
  sessionEnded(peerId: PeerId): void {
    for (const { room } of this.#rooms.values()) room.sessionEnded(peerId);
  }

  stop(): void {
    for (const { room } of this.#rooms.values()) room.stop();
    this.#rooms.clear();
  }

  async #joinAt(room: JoinedRoom, client: RelayClient): Promise<void> {
    for (const peerId of await client.join(room.name)) room.joined(peerId, client.url, false);
  }

  #leave(name: string): void {
    this.#rooms.delete(name);
    for (const client of this.#relays.clients) client.leave(name);
  }
}
