// One message: its text, its time and, for our own, how far it has come.

import type { JSX } from "preact";
import { deliveryCount, type TextEntry, ticksOf } from "../state/chat-state.js";
import { Clock } from "./clock.js";
import { RichText } from "./rich-text.js";

/** One text message; `onRetry` asks to send it again. */
export function MessageBubble({ entry, onRetry }: { entry: TextEntry; onRetry: (entry: TextEntry) => void }): JSX.Element {
  const ticks = entry.mine ? ticksOf(entry) : undefined;
  return (
    <div class="message" data-testid="message" data-mine={String(entry.mine)} data-ticks={ticks}>
      <div class="bubble">
        <p class="message-text" dir="auto" data-testid="message-text">
          <RichText text={entry.text} />
        </p>
        <p class="message-foot">
          <Clock timeMs={entry.timeMs} />
          {entry.mine && <TickMarks entry={entry} />}
        </p>
      </div>
      {ticks === "failed" && (
        <p class="not-delivered">
          <span>{Object.keys(entry.receipts).length === 0 ? "Nobody was here to receive it." : "It may not have arrived."}</span>{" "}
          <button type="button" class="link-button" data-testid="retry" onClick={() => onRetry(entry)}>
            Send again
          </button>
        </p>
      )}
    </div>
  );
}

function TickMarks({ entry }: { entry: TextEntry }): JSX.Element {
  const ticks = ticksOf(entry);
  const { delivered, of } = deliveryCount(entry);
  const words = {
    sending: "Sending",
    sent: `Sent, delivered to ${delivered} of ${of}`,
    delivered:
      delivered === of ? `Delivered to ${of === 1 ? "the one person here" : `all ${of}`}` : `Delivered to ${delivered} of ${of}`,
    failed: "Not delivered",
  }[ticks];
  return (
    <span class={`ticks ${ticks}`} title={`${delivered}/${of}: ${words}`}>
      <span aria-hidden="true">{{ sending: "○", sent: "✓", delivered: "✓✓", failed: "!" }[ticks]}</span>
      <span class="sr-only">{words}</span>
    </span>
  );
}
