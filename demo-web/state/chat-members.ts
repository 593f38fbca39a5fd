// Members: who is here, over which path, and what is told about their coming and going.

import type { PeerId, PeerInfo } from "linknet";
import { displayName, pathLabel } from "../chat/names.js";
import type { ChatAction } from "./chat-action.js";
import { system } from "./chat-entries.js";
import { type ChatState, MAX_SAMPLES, type Member } from "./chat-state.js";

/** What {@link reduceMembers} takes. */
export type MemberAction = Extract<ChatAction, { type: "roomJoin" | "roomLeave" | "peer" | "path" | "sampled" }>;

/** The next state after something about members. */
export function reduceMembers(state: ChatState, action: MemberAction): ChatState {
  switch (action.type) {
    case "roomJoin":
      return withMember(state, { ...memberOf(state, action.peerId), inRoom: true });
    case "roomLeave":
      return removeIfGone(changeMember(state, action.peerId, { inRoom: false }), action.peerId, action.timeMs);
    case "peer":
      return reducePeer(state, action.info, action.timeMs);
    case "path":
      return reducePath(state, action);
    case "sampled":
      return reduceSamples(state, action.infos);
  }
}

function memberOf(state: ChatState, id: PeerId): Member {
  return (
    state.members[id] ?? {
      id,
      name: displayName("", id),
      inRoom: false,
      seen: false,
      status: "connecting",
      path: null,
      address: null,
      rttMs: null,
      samples: [],
      messagesIn: 0,
      messagesOut: 0,
      bytesIn: 0,
      bytesOut: 0,
    }
  );
}

function withMember(state: ChatState, member: Member): ChatState {
  return { ...state, members: { ...state.members, [member.id]: member } };
}

function changeMember(state: ChatState, id: PeerId, change: Partial<Member>): ChatState {
  const member = state.members[id];
  return member ? withMember(state, { ...member, ...change }) : state;
}

/** What a snapshot tells of a member. */
function infoFields(before: Member, info: PeerInfo): Omit<Member, "inRoom" | "seen" | "samples"> {
  const { id, status, path, address, rttMs, messagesIn, messagesOut, bytesIn, bytesOut } = info;
  // A name that was heard once stays, also when a later snapshot has none.
  const name = info.name === "" ? before.name : displayName(info.name, id);
  return { id, name, status, path, address, rttMs, messagesIn, messagesOut, bytesIn, bytesOut };
}

function reducePeer(state: ChatState, info: PeerInfo, timeMs: number): ChatState {
  const before = memberOf(state, info.id);
  if (info.status === "disconnected") {
    // Whoever was here and is gone has left, also where the relay has not heard of it yet. Somebody whom we could not reach so
    // far is tried again as long as the room has them.
    const change = { status: "disconnected", path: null, rttMs: null, inRoom: before.inRoom && !before.seen } as const;
    return removeIfGone(changeMember(state, info.id, change), info.id, timeMs);
  }
  const member = { ...before, ...infoFields(before, info), seen: before.seen || info.status === "connected" };
  const next = withMember(state, member);
  return member.seen && !before.seen ? system(next, `${member.name} joined`, timeMs) : next;
}

/** A member is gone when neither a session nor the room has it. */
function removeIfGone(state: ChatState, id: PeerId, timeMs: number): ChatState {
  const member = state.members[id];
  if (!member) return state;
  if (member.inRoom) return member.status === "disconnected" ? withMember(state, { ...member, status: "connecting" }) : state;
  if (member.status !== "disconnected" && member.status !== "connecting") return state;
  const { [id]: _gone, ...members } = state.members;
  const next = { ...state, members };
  return member.seen ? system(next, `${member.name} left`, timeMs) : next;
}

function reducePath(state: ChatState, action: Extract<ChatAction, { type: "path" }>): ChatState {
  const member = state.members[action.peerId];
  const next = changeMember(state, action.peerId, { path: action.path });
  // The first path is part of joining.
  if (!member?.seen || action.previous === null || action.previous === action.path) return next;
  const how = action.path === "relay" ? "through the relay" : `direct, over ${pathLabel(action.path)}`;
  return system(next, `The path to ${member.name} is now ${how}`, action.timeMs);
}

function reduceSamples(state: ChatState, infos: readonly PeerInfo[]): ChatState {
  const byId = new Map(infos.map((info) => [info.id, info]));
  const members: Record<PeerId, Member> = {};
  for (const member of Object.values(state.members)) {
    const info = byId.get(member.id);
    const rttMs = info?.status === "connected" ? info.rttMs : null;
    const samples = [...member.samples, rttMs].slice(-MAX_SAMPLES);
    // The status is told by events alone, in their order: a snapshot must not run ahead of them.
    members[member.id] = info
      ? { ...member, ...infoFields(member, info), status: member.status, samples }
      : { ...member, samples };
  }
  return { ...state, members };
}
