// The whole page: either the start screen or the conversation, and the error that both can show.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ChatClient } from "../state/chat-client.js";
import type { ChatState } from "../state/chat-state.js";
import { ChatScreen } from "./chat-screen.js";
import { CloseIcon } from "./icons.js";
import { StartScreen } from "./start-screen.js";

/** Everything that the page shows, for the client's state. */
export function App({ client }: { client: ChatClient }): JSX.Element {
  const [state, setState] = useState<ChatState>(client.state);
  useEffect(() => client.subscribe(setState), [client]);
  useTitle(state);
  return (
    <>
      {state.screen === "chat" ? <ChatScreen client={client} state={state} /> : <StartScreen client={client} state={state} />}
      <ErrorNote text={state.error} onDismiss={() => client.dismissError()} />
    </>
  );
}

/** The live region is always there: screen readers announce only what changes inside of one. */
function ErrorNote({ text, onDismiss }: { text: string | null; onDismiss: () => void }): JSX.Element {
  return (
    <div role="alert" class="error-region">
      {text !== null && (
        <div class="error-note" data-testid="error">
          <span>{text}</span>
          <button type="button" class="icon-button" aria-label="Dismiss this message" onClick={onDismiss}>
            <CloseIcon />
          </button>
        </div>
      )}
    </div>
  );
}

/** The tab's title: the room, and how much was said while nobody looked. */
function useTitle(state: ChatState): void {
  const [readUpTo, setReadUpTo] = useState(0);
  const newest = state.nextKey;
  useEffect(() => {
    const look = (): void => {
      if (document.visibilityState === "visible") setReadUpTo(newest);
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [newest]);
  const unread = state.entries.filter((entry) => entry.key >= readUpTo && entry.kind !== "system" && !entry.mine).length;
  const place = state.screen === "chat" ? `${state.room ?? "Direct chat"} · LinkNet` : "LinkNet chat";
  const title = unread > 0 && state.screen === "chat" ? `(${unread}) ${place}` : place;
  useEffect(() => {
    document.title = title;
  }, [title]);
}
