// One person in detail, and the fingerprint that two people compare to know that nobody is in between.

import type { PathReport } from "linknet";
import type { JSX } from "preact";
import { formatBytes } from "../chat/names.js";
import type { Member, Self } from "../state/chat-state.js";
import { Dialog } from "./dialog.js";
import { formatRtt, PathBadge } from "./member-list.js";
import { PathPanel } from "./path-panel.js";

interface PeerDialogProps {
  readonly self: Self | null;
  /** `null`: this is about ourselves, or about somebody who left meanwhile. */
  readonly member: Member | null;
  /** What both sides compare; `null` where there is nobody to compare it with. */
  readonly digits: string | null;
  /** Why the path to this person is what it is. */
  readonly explain: () => Promise<PathReport | null>;
  readonly onClose: () => void;
}

/** The details of one person, or our own. */
export function PeerDialog({ self, member, digits, explain, onClose }: PeerDialogProps): JSX.Element | null {
  if (!self) return null;
  if (!member) {
    return (
      <Dialog title={self.name || "You"} onClose={onClose}>
        <p class="dialog-text">
          This is how the others see you. Your key was made for this tab alone and is gone when you close it, so you are somebody
          new each time.
        </p>
        <dl class="facts">
          <dt>Peer id</dt>
          <dd class="mono">{self.id}</dd>
        </dl>
      </Dialog>
    );
  }
  return (
    <Dialog title={member.name} onClose={onClose}>
      <section class="fingerprint-box">
        <h3>Is it really {member.name}?</h3>
        <p class="dialog-text">
          A name is only what somebody calls themselves. Call each other, or meet, and compare these digits: if they are the same
          on both screens, nobody is in between.
        </p>
        {digits !== null && <Digits text={digits} />}
      </section>
      <dl class="facts">
        <dt>Path</dt>
        <dd>
          <PathBadge member={member} />
        </dd>
        <dt>Address</dt>
        <dd class="mono">{member.address ?? (member.path === "relay" ? "not known, the relay is in between" : "–")}</dd>
        <dt>Round trip</dt>
        <dd>{member.rttMs === null ? "–" : formatRtt(member.rttMs)}</dd>
        <dt>Received</dt>
        <dd>
          {formatBytes(member.bytesIn)} in {member.messagesIn} messages
        </dd>
        <dt>Sent</dt>
        <dd>
          {formatBytes(member.bytesOut)} in {member.messagesOut} messages
        </dd>
        <dt>Peer id</dt>
        <dd class="mono">{member.id}</dd>
      </dl>
      <PathPanel explain={explain} />
    </Dialog>
  );
}

function Digits({ text }: { text: string }): JSX.Element {
  return (
    <p class="digits" data-testid="fingerprint">
      {text.split(" ").map((group, index) => (
        <span key={index}>{group} </span>
      ))}
    </p>
  );
}
