// Rooms as a client sees them: which ones it wants to be in, and who else is there, as the relay tells.

import { encodeUtf8, toHex } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { encodePeerId } from "../identity.js";
import type { NoiseHash } from "../runtime.js";
import { encodeRoomJoin, encodeRoomLeave, type RelayServerFrame, ROOM_REFUSED } from "./relay-frame.js";

/** Longest room name, in bytes of UTF-8. */
export const ROOM_NAME_BYTES = 128;
/** Members of one room that a client keeps track of; a relay that names more is not believed. */
const MAX_MEMBERS = 10_000;
const ROOM_CONTEXT = encodeUtf8("linknet room 1\0");

/** Tells that somebody joined or left a room. */
export type MemberHandler = (room: string, peerId: PeerId, event: "join" | "leave") => void;

/**
 * What a client sends in place of a room's name: SHA-256 over a context string and the name. The relay does not learn the
 * name, though it can try names that it guesses.
 * @param sha256 - `runtime.crypto.hash("SHA256")`
 * @returns 32 bytes
 * @throws NetworkError `ERR_ROOM_INVALID` when the name is empty or longer than {@link ROOM_NAME_BYTES} bytes of UTF-8
 */
export function roomIdOf(name: string, sha256: NoiseHash): Uint8Array {
  // The length in characters comes first: it bounds the work of encoding.
  const text = name.length > ROOM_NAME_BYTES ? null : encodeUtf8(name);
  if (!text || text.length === 0 || text.length > ROOM_NAME_BYTES) throw new NetworkError("ERR_ROOM_INVALID");
  return sha256.hash(ROOM_CONTEXT, text);
}

interface Waiter {
  resolve(members: PeerId[]): void;
  reject(error: NetworkError): void;
}

interface RoomEntry {
  readonly name: string;
  readonly id: Uint8Array;
  /** Whether the relay has listed the members since this client asked to join for the first time. */
  joined: boolean;
  members: Set<PeerId>;
  waiters: Waiter[];
}

/** The rooms of one relay client. They outlive its connections: each new one joins them again. */
export class RelayRooms {
  readonly #sha256: NoiseHash;
  readonly #self: PeerId;
  readonly #onMember: MemberHandler;
  /** By the room id in hexadecimal. */
  readonly #rooms = new Map<string, RoomEntry>();

  constructor(sha256: NoiseHash, self: PeerId, onMember: MemberHandler) {
    this.#sha256 = sha256;
    this.#self = self;
    this.#onMember = onMember;
  }

  /**
   * Wants to be in a room from now on.
   * @param send - sends a frame to the relay; `null` while there is no connection
   * @returns the members without ourselves, once the relay has listed them
   * @throws NetworkError `ERR_ROOM_INVALID`, `ERR_ROOM_LIMIT`, or what {@link failAll} was called with
   */
  join(name: string, send: ((frame: Uint8Array) => void) | null): Promise<PeerId[]> {
    const id = roomIdOf(name, this.#sha256);
    const key = toHex(id);
    let room = this.#rooms.get(key);
    if (room?.joined) return Promise.resolve([...room.members]);
    if (!room) {
      room = { name, id, joined: false, members: new Set(), waiters: [] };
      this.#rooms.set(key, room);
      send?.(encodeRoomJoin(id));
    }
    const { waiters } = room;
    return new Promise((resolve, reject) => waiters.push({ resolve, reject }));
  }

  /** No longer wants to be in a room; a `join` that still waits is rejected. */
  leave(name: string, send: ((frame: Uint8Array) => void) | null): void {
    const id = roomIdOf(name, this.#sha256);
    const room = this.#rooms.get(toHex(id));
    if (!room) return;
    this.#drop(room, new NetworkError("ERR_CLOSED", "left the room"));
    send?.(encodeRoomLeave(id));
  }

  /** Asks for every room again, on a new connection. */
  joinAgain(send: (frame: Uint8Array) => void): void {
    for (const room of this.#rooms.values()) send(encodeRoomJoin(room.id));
  }

  /** Takes the frames about rooms; ones about rooms that we are not in are late and ignored. */
  receive(frame: RelayServerFrame): void {
    if (!("room" in frame)) return;
    const room = this.#rooms.get(toHex(frame.room));
    if (!room) return;
    if (frame.kind === "room-members") this.#replaceMembers(room, frame.members);
    else if (frame.kind === "member-joined") this.#add(room, encodePeerId(frame.peerId));
    else if (frame.kind === "member-left") this.#delete(room, encodePeerId(frame.peerId));
    else if (frame.kind === "room-refused") this.#refused(room, frame.reason);
  }

  /** The client ends: nobody waits any longer. */
  failAll(error: NetworkError): void {
    const rooms = [...this.#rooms.values()];
    this.#rooms.clear();
    for (const room of rooms) for (const waiter of room.waiters.splice(0)) waiter.reject(error);
  }

  #replaceMembers(room: RoomEntry, keys: readonly Uint8Array[]): void {
    const now = new Set<PeerId>();
    for (const key of keys.slice(0, MAX_MEMBERS)) now.add(encodePeerId(key));
    now.delete(this.#self);
    if (!room.joined) {
      // The first list is the answer to `join`; only what differs from it later is news.
      room.joined = true;
      room.members = now;
      for (const waiter of room.waiters.splice(0)) waiter.resolve([...now]);
      return;
    }
    for (const peerId of [...room.members]) if (!now.has(peerId)) this.#delete(room, peerId);
    for (const peerId of now) this.#add(room, peerId);
  }

  #add(room: RoomEntry, peerId: PeerId): void {
    if (peerId === this.#self || room.members.has(peerId) || room.members.size >= MAX_MEMBERS) return;
    room.members.add(peerId);
    this.#onMember(room.name, peerId, "join");
  }

  #delete(room: RoomEntry, peerId: PeerId): void {
    if (room.members.delete(peerId)) this.#onMember(room.name, peerId, "leave");
  }

  #refused(room: RoomEntry, reason: number): void {
    // A room that was ours before the relay restarted stays wanted: the next connection asks again.
    if (room.joined) {
      for (const peerId of [...room.members]) this.#delete(room, peerId);
      return;
    }
    const invalid = reason === ROOM_REFUSED.INVALID;
    this.#drop(room, new NetworkError(invalid ? "ERR_ROOM_INVALID" : "ERR_ROOM_LIMIT"));
  }

  #drop(room: RoomEntry, error: NetworkError): void {
    this.#rooms.delete(toHex(room.id));
    for (const waiter of room.waiters.splice(0)) waiter.reject(error);
  }
}
