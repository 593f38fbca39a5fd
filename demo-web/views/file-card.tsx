// One file: on its way with a bar, interrupted with a way to go on, here with a link, or given up with a reason.

import type { JSX } from "preact";
import { cancelText, formatBytes } from "../chat/names.js";
import { type FileEntry, isResumable, transferSummary } from "../state/chat-state.js";
import { Clock } from "./clock.js";
import { CloseIcon, FileIcon } from "./icons.js";

interface FileCardProps {
  readonly entry: FileEntry;
  /** Asks to give it up. */
  readonly onCancel: (entry: FileEntry) => void;
  /** Asks to send it on. */
  readonly onResume: (entry: FileEntry) => void;
}

/** One file. */
export function FileCard({ entry, onCancel, onResume }: FileCardProps): JSX.Element {
  const { state, fraction, done, of, reason } = transferSummary(entry);
  const percent = Math.floor(fraction * 100);
  const shown = entry.picture && entry.url !== null;
  const soFar = `${formatBytes(fraction * entry.size)} of ${formatBytes(entry.size)}`;
  const note = {
    moving: soFar,
    interrupted: `${soFar}, interrupted`,
    done: entry.mine ? `${formatBytes(entry.size)}, delivered to ${done} of ${of}` : formatBytes(entry.size),
    ended: `${formatBytes(entry.size)}, not ${entry.mine ? "delivered" : "received"}: ${cancelText(reason ?? "")}`,
  }[state];
  return (
    <div class="message" data-testid="file" data-mine={String(entry.mine)} data-state={state}>
      <div class={shown ? "bubble file picture" : "bubble file"} data-testid={state === "done" ? "file-done" : undefined}>
        <FileBody entry={entry} note={note} />
        {(state === "moving" || state === "interrupted") && (
          <div class="file-progress">
            <progress
              data-testid="file-progress"
              max={100}
              value={percent}
              aria-label={`${entry.mine ? "Sending" : "Receiving"} ${entry.name}`}
            />
            <span class="percent">{percent}%</span>
            <button
              type="button"
              class="icon-button"
              data-testid="file-cancel"
              aria-label={`Cancel ${entry.name}`}
              onClick={() => onCancel(entry)}
            >
              <CloseIcon />
            </button>
          </div>
        )}
        {isResumable(entry) && (
          <button
            type="button"
            class="link-button"
            data-testid="file-resume"
            aria-label={`Resume ${entry.name}`}
            onClick={() => onResume(entry)}
          >
            Resume
          </button>
        )}
        <p class="message-foot">
          <Clock timeMs={entry.timeMs} />
        </p>
      </div>
    </div>
  );
}

function FileBody({ entry, note }: { entry: FileEntry; note: string }): JSX.Element {
  const body = (
    <>
      {entry.picture && entry.url !== null ? (
        <img src={entry.url} alt={`Sent as ${entry.name}`} decoding="async" />
      ) : (
        <FileIcon />
      )}
      <span class="file-text">
        <bdi class="file-name" title={entry.name}>
          {entry.name}
        </bdi>
        <span class="file-note">{note}</span>
      </span>
    </>
  );
  // The link saves and never opens: whatever it is, it does not become a page of this origin.
  if (entry.url === null) return <div class="file-body">{body}</div>;
  return (
    <a class="file-body" href={entry.url} download={entry.name} title={`Save ${entry.name}`}>
      {body}
    </a>
  );
}
