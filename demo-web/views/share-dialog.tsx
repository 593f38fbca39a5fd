// Invites somebody: a link to copy and its QR code, for the room or for oneself alone.

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Dialog } from "./dialog.js";
import { QrCode } from "./qr-code.js";

interface ShareDialogProps {
  /** The room's link; `null` outside of rooms. */
  readonly room: string | null;
  readonly ticket: string | null;
  readonly onClose: () => void;
}

/** The dialog with the room's link and our own ticket. */
export function ShareDialog({ room, ticket, onClose }: ShareDialogProps): JSX.Element {
  const [kind, setKind] = useState<"room" | "ticket">(room === null ? "ticket" : "room");
  const link = (kind === "room" ? room : ticket) ?? "";
  return (
    <Dialog title="Invite somebody" onClose={onClose}>
      {room !== null && (
        <fieldset class="switch">
          <legend class="sr-only">Where the link leads</legend>
          <label>
            <input
              type="radio"
              name="share-kind"
              checked={kind === "room"}
              onChange={() => setKind("room")}
              data-testid="share-room"
            />
            <span>Into this room</span>
          </label>
          <label>
            <input
              type="radio"
              name="share-kind"
              checked={kind === "ticket"}
              onChange={() => setKind("ticket")}
              data-testid="share-ticket"
            />
            <span>To me alone</span>
          </label>
        </fieldset>
      )}
      <p class="dialog-text">
        {kind === "room"
          ? "Whoever opens it can enter this room. The relay learns only a hash of its name."
          : "A ticket names your key, so nobody else can answer in your place. It is good until you close this tab."}
      </p>
      <QrCode text={link} label={kind === "room" ? "QR code of the room link" : "QR code of the ticket link"} />
      <CopyField key={kind} text={link} />
    </Dialog>
  );
}

function CopyField({ text }: { text: string }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState<"no" | "yes" | "by-hand">("no");
  const copy = async (): Promise<void> => {
    input.current?.select();
    setCopied((await copyText(text)) ? "yes" : "by-hand");
  };
  return (
    <div class="field">
      <label for="share-link">Link</label>
      <div class="joined-field">
        <input
          ref={input}
          id="share-link"
          data-testid="share-link"
          readOnly
          value={text}
          onFocus={(event) => event.currentTarget.select()}
        />
        <button type="button" data-testid="copy" onClick={() => void copy()}>
          {copied === "yes" ? "Copied" : "Copy"}
        </button>
      </div>
      <small role="status">
        {copied === "yes"
          ? "The link is in your clipboard."
          : copied === "by-hand"
            ? "It is selected: copy it with Ctrl+C."
            : "\u00a0"}
      </small>
    </div>
  );
}

/** The clipboard's own interface is missing on plain http:// pages: there, what is selected can still be copied. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return document.execCommand("copy");
  }
}
