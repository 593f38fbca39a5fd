// Where people write: Enter sends, Shift+Enter begins a new line, files go by the button, by dropping or by pasting.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { MAX_TEXT_LENGTH } from "../chat/chat-protocol.js";
import { AttachIcon, SendIcon } from "./icons.js";

interface ComposerProps {
  readonly onText: (text: string) => void;
  readonly onFiles: (files: readonly File[]) => void;
}

/** The form at the foot of the conversation. */
export function Composer({ onText, onFiles }: ComposerProps): JSX.Element {
  const [text, setText] = useState("");
  const input = useRef<HTMLTextAreaElement>(null);
  const tooLong = text.length > MAX_TEXT_LENGTH;

  useEffect(() => input.current?.focus({ preventScroll: true }), []);
  useEffect(() => fitHeight(input.current), [text]);

  const send = (): void => {
    const trimmed = text.trim();
    if (trimmed === "" || tooLong) return;
    onText(trimmed);
    setText("");
    input.current?.focus();
  };
  const sendAsFile = (): void => {
    onFiles([new File([text], "message.txt", { type: "text/plain" })]);
    setText("");
    input.current?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    // While an input method is composing, Enter picks a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <LengthHint length={text.length} onFile={sendAsFile} />
      <div class="composer-row">
        <FileButton onFiles={onFiles} />
        <textarea
          ref={input}
          data-testid="message-input"
          aria-label="Message to everybody here"
          aria-describedby="length-hint"
          aria-invalid={tooLong}
          placeholder="Write a message"
          rows={1}
          dir="auto"
          value={text}
          enterkeyhint="send"
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={onKey}
        />
        <button type="submit" class="send" data-testid="send" aria-label="Send" disabled={text.trim() === "" || tooLong}>
          <SendIcon />
        </button>
      </div>
    </form>
  );
}

function FileButton({ onFiles }: { onFiles: (files: readonly File[]) => void }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const chosen = (event: JSX.TargetedEvent<HTMLInputElement>): void => {
    onFiles([...(event.currentTarget.files ?? [])]);
    // So that the same file can be chosen again.
    event.currentTarget.value = "";
  };
  return (
    <>
      <button
        type="button"
        class="icon-button attach"
        aria-label="Send a picture or a file"
        onClick={() => input.current?.click()}
      >
        <AttachIcon />
      </button>
      <input
        ref={input}
        class="sr-only"
        type="file"
        multiple
        tabIndex={-1}
        aria-hidden="true"
        data-testid="file-input"
        onChange={chosen}
      />
    </>
  );
}

/** Says something only when the limit comes near. */
function LengthHint({ length, onFile }: { length: number; onFile: () => void }): JSX.Element {
  const left = MAX_TEXT_LENGTH - length;
  return (
    <div class="length-hint" id="length-hint" role="status">
      {left < 0 && (
        <>
          <span class="too-long">
            {length.toLocaleString()} of {MAX_TEXT_LENGTH.toLocaleString()} characters: that is too long for one message.
          </span>{" "}
          <button type="button" class="link-button" onClick={onFile}>
            Send it as a text file
          </button>
        </>
      )}
      {left >= 0 && left <= 400 && <span>{left} characters left</span>}
    </div>
  );
}

/** As high as its text, up to what the style sheet allows. */
function fitHeight(element: HTMLTextAreaElement | null): void {
  if (!element) return;
  element.style.height = "auto";
  element.style.height = `${element.scrollHeight + element.offsetHeight - element.clientHeight}px`;
}
