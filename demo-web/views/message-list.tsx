// The conversation so far, in groups by speaker. It follows the newest message unless somebody reads further up.

import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Entry, FileEntry, TextEntry } from "../state/chat-state.js";
import { Avatar, hueOf } from "./avatar.js";
import { FileCard } from "./file-card.js";
import { type EntryGroup, groupEntries } from "./group-entries.js";
import { MessageBubble } from "./message-bubble.js";

interface MessageListProps {
  readonly entries: readonly Entry[];
  readonly alone: boolean;
  readonly onRetry: (entry: TextEntry) => void;
  readonly onCancel: (entry: FileEntry) => void;
  readonly onResume: (entry: FileEntry) => void;
  readonly onInvite: () => void;
}

/** The scrolling list of all entries. */
export function MessageList({ entries, alone, onRetry, onCancel, onResume, onInvite }: MessageListProps): JSX.Element {
  const log = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [behind, setBehind] = useState(false);
  const last = entries.at(-1);

  useLayoutEffect(() => {
    // What we say ourselves is what we want to see.
    const own = last !== undefined && last.kind !== "system" && last.mine;
    if (following.current || own) toEnd(log.current);
    else setBehind(true);
  }, [last?.key]);
  useLayoutEffect(() => {
    // Progress bars and pictures change the height without a new entry.
    const element = log.current;
    const content = element?.firstElementChild;
    if (!element || !content) return;
    const observer = new ResizeObserver(() => following.current && toEnd(element));
    observer.observe(content);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const onScroll = (): void => {
    const element = log.current;
    if (!element) return;
    following.current = element.scrollHeight - element.scrollTop - element.clientHeight < 80;
    if (following.current) setBehind(false);
  };
  // The list is as long as 500 entries, while members change each second: it is made anew only with the entries.
  const groups = useMemo(
    () => groupEntries(entries).map((group) => <Group key={group.key} {...{ group, onRetry, onCancel, onResume }} />),
    [entries, onRetry, onCancel, onResume],
  );

  return (
    <div class="log-frame">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div class="log" ref={log} role="log" aria-live="polite" aria-label="Messages" tabIndex={0} onScroll={onScroll}>
        <div class="log-content">
          {groups}
          {alone && (
            <div class="empty">
              <p>It is quiet here.</p>
              <button type="button" class="primary" onClick={onInvite}>
                Invite somebody
              </button>
            </div>
          )}
        </div>
      </div>
      {behind && (
        <button type="button" class="to-end" onClick={() => toEnd(log.current)}>
          New messages ↓
        </button>
      )}
    </div>
  );
}

function Group({
  group,
  onRetry,
  onCancel,
  onResume,
}: { group: EntryGroup } & Pick<MessageListProps, "onRetry" | "onCancel" | "onResume">): JSX.Element {
  if (group.kind === "system") return <p class="system">{isolate(group.entry.text)}</p>;
  return (
    <section class={group.mine ? "group mine" : "group"}>
      {!group.mine && <Avatar id={group.senderId} name={group.senderName} />}
      <div class="group-body">
        {group.mine ? (
          <span class="sr-only">You:</span>
        ) : (
          <p class={`group-name ink-${hueOf(group.senderId)}`}>
            <bdi>{group.senderName}</bdi>
          </p>
        )}
        {group.entries.map((entry) =>
          entry.kind === "text" ? (
            <MessageBubble key={entry.key} entry={entry} onRetry={onRetry} />
          ) : (
            <FileCard key={entry.key} entry={entry} onCancel={onCancel} onResume={onResume} />
          ),
        )}
      </div>
    </section>
  );
}

function isolate(text: string): JSX.Element {
  return <bdi>{text}</bdi>;
}

function toEnd(element: HTMLElement | null): void {
  if (element) element.scrollTop = element.scrollHeight;
}
