// Rooms of a relay: who is where. In memory only; an empty room is gone.

import { encodeMemberEvent, encodeRoomMembers, encodeRoomRefused, ROOM_REFUSED } from "../core/relay/relay-frame.js";
import type { RelayLimits } from "./relay-limits.js";

/** A client as rooms see it. */
export interface RoomMember {
  /** Binary PeerId, 32 bytes. */
  readonly peerKey: Uint8Array;
  /** Keys of the rooms that the client is in; kept by {@link Rooms}. */
  readonly rooms: Set<string>;
  /** Sends a frame that must not be lost: a client that cannot take it is closed, after the current turn. */
  sendControl(frame: Uint8Array): void;
}

interface Room {
  readonly id: Uint8Array;
  readonly members: Set<RoomMember>;
}

/** All rooms of one relay. */
export class Rooms {
  readonly #rooms = new Map<string, Room>();
  readonly #limits: RelayLimits;

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  /** Rooms with somebody in them. */
  get size(): number {
    return this.#rooms.size;
  }

  /**
   * Lets a client in and tells it who is there, or refuses it. Joining twice tells the members again.
   * @param id - room id; a view that the caller may reuse
   * @returns how many frames this made: the caller counts them against the client's rate
   */
  join(member: RoomMember, id: Uint8Array): number {
    const key = roomKey(id);
    const room = this.#rooms.get(key);
    const inside = room?.members.has(member) ?? false;
    const refusal = inside ? 0 : this.#refusal(member, id, room);
    if (refusal) {
      member.sendControl(encodeRoomRefused(id, refusal));
      return 1;
    }
    const joined: Room = room ?? { id: id.slice(), members: new Set() };
    this.#rooms.set(key, joined);
    const others = [...joined.members].filter((other) => other !== member);
    joined.members.add(member);
    member.rooms.add(key);
    member.sendControl(
      encodeRoomMembers(
        id,
        others.map((other) => other.peerKey),
      ),
    );
    if (inside) return 1;
    tell(others, encodeMemberEvent("join", id, member.peerKey));
    return 1 + others.length;
  }

  /** @returns how many frames this made */
  leave(member: RoomMember, id: Uint8Array): number {
    return this.#remove(member, roomKey(id));
  }

  /** The client is gone. */
  leaveAll(member: RoomMember): void {
    for (const key of [...member.rooms]) this.#remove(member, key);
  }

  #refusal(member: RoomMember, id: Uint8Array, room: Room | undefined): number {
    if (id.length > this.#limits.roomIdBytes) return ROOM_REFUSED.INVALID;
    if (member.rooms.size >= this.#limits.roomsPerClient) return ROOM_REFUSED.TOO_MANY_ROOMS;
    return (room?.members.size ?? 0) >= this.#limits.membersPerRoom ? ROOM_REFUSED.ROOM_FULL : 0;
  }

  #remove(member: RoomMember, key: string): number {
    member.rooms.delete(key);
    const room = this.#rooms.get(key);
    if (!room?.members.delete(member)) return 0;
    if (room.members.size === 0) this.#rooms.delete(key);
    const others = [...room.members];
    tell(others, encodeMemberEvent("leave", room.id, member.peerKey));
    return others.length;
  }
}

/** One frame for all: nobody writes into it after this. */
function tell(members: readonly RoomMember[], frame: Uint8Array): void {
  for (const member of members) member.sendControl(frame);
}

/** Bytes as a string of as many characters: the shortest key for a Map. */
function roomKey(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("latin1");
}
