// Who is here: name, path, round-trip time and its last minute, messages.

import type { JSX } from "preact";
import { pathLabel } from "../chat/names.js";
import type { Member, Self } from "../state/chat-state.js";
import { Avatar } from "./avatar.js";
import { Sparkline } from "./sparkline.js";

interface MemberListProps {
  readonly self: Self | null;
  readonly members: readonly Member[];
  readonly onOpen: (peerId: string) => void;
}

/** The list of people, ourselves first; `onOpen` asks for the details of one. */
export function MemberList({ self, members, onOpen }: MemberListProps): JSX.Element {
  return (
    <ul class="members">
      {self && (
        <li>
          <button type="button" class="member own" data-testid="self" data-peer-id={self.id} onClick={() => onOpen(self.id)}>
            <Avatar id={self.id} name={self.name} />
            <span class="member-text">
              <bdi class="member-name">{self.name}</bdi>
              <span class="member-line">This is you</span>
            </span>
          </button>
        </li>
      )}
      {members.map((member) => (
        <li key={member.id}>
          <MemberRow member={member} onOpen={onOpen} />
        </li>
      ))}
    </ul>
  );
}

function MemberRow({ member, onOpen }: { member: Member; onOpen: (peerId: string) => void }): JSX.Element {
  const { id, name, status, path, rttMs, samples, messagesIn, messagesOut } = member;
  return (
    <button
      type="button"
      class="member"
      data-testid="member"
      data-peer-id={id}
      data-path={path ?? ""}
      data-status={status}
      title="Details and fingerprint"
      onClick={() => onOpen(id)}
    >
      <Avatar id={id} name={name} faded={status !== "connected"} />
      <span class="member-text">
        <bdi class="member-name" data-testid="member-name">
          {name}
        </bdi>
        <span class="member-line">
          <PathBadge member={member} />
          {status === "connected" && (
            <span class="counters" title={`${messagesIn} messages received, ${messagesOut} sent`}>
              <span aria-hidden="true">
                ↓{compact(messagesIn)} ↑{compact(messagesOut)}
              </span>
              <span class="sr-only">
                {messagesIn} messages received, {messagesOut} sent
              </span>
            </span>
          )}
        </span>
      </span>
      <span class="member-rtt">
        <span class="rtt">
          {rttMs === null ? <span aria-hidden="true">–</span> : formatRtt(rttMs)}
          <span class="sr-only"> round trip</span>
        </span>
        <Sparkline samples={samples} />
      </span>
    </button>
  );
}

/** The kind of path in colour and in words, or what goes on while there is none. */
export function PathBadge({ member }: { member: Pick<Member, "status" | "path"> }): JSX.Element {
  const { status, path } = member;
  if (status !== "connected" || path === null) {
    const text = status === "reconnecting" ? "Reconnecting" : "Connecting";
    return (
      <span class="badge waiting">
        <span class="sr-only">Path: </span>
        {text}
      </span>
    );
  }
  return (
    <span
      class={`badge ${pathClass(path)}`}
      title={path === "relay" ? "Through the relay, which cannot read it" : "A direct path, past the relay"}
    >
      <span class="sr-only">Path: </span>
      {pathLabel(path)}
    </span>
  );
}

/** The class that brings the colour of a kind of path. */
export function pathClass(path: string): string {
  return `path-${["relay", "webrtc", "websocket", "tcp", "udp"].includes(path) ? path : "custom"}`;
}

/** A round-trip time for people: one decimal below 10 ms. */
export function formatRtt(rttMs: number): string {
  return rttMs < 9.95 ? `${rttMs.toFixed(1)} ms` : `${Math.round(rttMs)} ms`;
}

function compact(count: number): string {
  return count < 1000 ? String(count) : `${Math.floor(count / 1000)}k`;
}
