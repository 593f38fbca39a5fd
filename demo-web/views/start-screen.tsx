// Where everybody arrives: a name, and a room or the ticket that somebody sent.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ownName } from "../chat/names.js";
import type { ChatClient } from "../state/chat-client.js";
import type { ChatState } from "../state/chat-state.js";
import { formatInvitation, type Invitation, parseInvitation, relayUrl } from "../state/invitation.js";
import { loadName, saveName } from "../state/own-name.js";
import { inventRoomName } from "../state/room-names.js";
import { BrandMark, LockIcon } from "./icons.js";

/** The form that leads into a conversation; it shows what went wrong on the way there. */
export function StartScreen({ client, state }: { client: ChatClient; state: ChatState }): JSX.Element {
  const [invitation, setInvitation] = useInvitation();
  const [name, setName] = useState(loadName);
  const [typedRoom, setTypedRoom] = useState<string | null>(null);
  const [typedRelay, setTypedRelay] = useState<string | null>(null);
  const firstField = useRef<HTMLInputElement>(null);
  useEffect(() => firstField.current?.focus(), []);

  const room = typedRoom ?? invitation.room ?? "";
  const relay = typedRelay ?? invitation.relay ?? client.pageRelay;
  const busy = state.screen === "joining";
  const byTicket = invitation.ticket !== null;

  const submit = (event: Event): void => {
    event.preventDefault();
    if (busy) return;
    saveName(ownName(name));
    if (!byTicket) {
      const elsewhere = relay === client.pageRelay ? null : relay;
      history.replaceState(null, "", formatInvitation({ room: room.trim(), relay: elsewhere }));
    }
    void client.join({ name, relay, room: byTicket ? null : room.trim(), ticket: invitation.ticket });
  };

  return (
    <main class="start">
      <form class="start-card" onSubmit={submit} aria-busy={busy}>
        <header class="start-head">
          <BrandMark />
          <div>
            <h1>LinkNet</h1>
            <p>Chat from device to device.</p>
          </div>
        </header>
        <label class="field">
          <span>Your name</span>
          <input
            ref={firstField}
            data-testid="name-input"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
            required
            maxLength={32}
            autocomplete="nickname"
            dir="auto"
            pattern=".*\S.*"
            title="What the others see"
          />
        </label>
        {byTicket ? (
          <TicketNote onRoom={() => setInvitation({ room: null, ticket: null, relay: null })} />
        ) : (
          <RoomField room={room} onRoom={setTypedRoom} />
        )}
        <button type="submit" class="primary" data-testid="join" disabled={busy}>
          {busy ? "Connecting…" : byTicket ? "Start the conversation" : "Join the room"}
        </button>
        <details class="advanced" open={invitation.relay !== null || undefined}>
          <summary>Advanced</summary>
          <RelayField relay={relay} onRelay={setTypedRelay} />
        </details>
        <p class="start-foot">
          <LockIcon />
          <span>End-to-end encrypted, always. The relay introduces you, then steps aside. Nothing is stored.</span>
        </p>
      </form>
    </main>
  );
}

function RoomField({ room, onRoom }: { room: string; onRoom: (room: string) => void }): JSX.Element {
  return (
    <div class="field">
      <label for="room">Room</label>
      <div class="joined-field">
        <input
          id="room"
          data-testid="room-input"
          value={room}
          onInput={(event) => onRoom(event.currentTarget.value)}
          required
          maxLength={48}
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          dir="auto"
          pattern=".*\S.*"
          title="One word or several"
          aria-describedby="room-hint"
        />
        <button type="button" onClick={() => onRoom(inventRoomName())}>
          Make one up
        </button>
      </div>
      <small id="room-hint">Whoever knows the name can enter. A made-up one is hard to guess.</small>
    </div>
  );
}

function RelayField({ relay, onRelay }: { relay: string; onRelay: (relay: string) => void }): JSX.Element {
  const check = (event: JSX.TargetedInputEvent<HTMLInputElement>): void => {
    const input = event.currentTarget;
    input.setCustomValidity(relayUrl(input.value) === null ? "A relay's address begins with ws:// or wss://" : "");
    onRelay(input.value);
  };
  return (
    <label class="field">
      <span>Relay</span>
      <input data-testid="relay-input" type="url" value={relay} onInput={check} required spellcheck={false} autocomplete="off" />
      <small>It sees who is in which room, never what is said.</small>
    </label>
  );
}

function TicketNote({ onRoom }: { onRoom: () => void }): JSX.Element {
  return (
    <div class="ticket-note" data-testid="ticket-note">
      <p>
        <strong>Somebody sent you a ticket.</strong> You will talk with that person alone, and nobody else can answer in their
        place.
      </p>
      <button type="button" class="link-button" onClick={onRoom}>
        Join a room instead
      </button>
    </div>
  );
}

/** Follows the address bar: a link that is opened in this very tab changes only the part after the #. */
function useInvitation(): [Invitation, (invitation: Invitation) => void] {
  const [invitation, setInvitation] = useState(() => parseInvitation(location.hash));
  useEffect(() => {
    const changed = (): void => setInvitation(parseInvitation(location.hash));
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return [invitation, setInvitation];
}
