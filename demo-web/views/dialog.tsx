// A modal dialog: the browser's own, which keeps the focus inside, closes on Escape and gives the focus back.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { CloseIcon } from "./icons.js";

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  /** `drawer`: comes in from the side, for the member list on a phone. */
  readonly kind?: "box" | "drawer";
}

/** Shows its children modally for as long as it is there; `onClose` asks to take it away. */
export function Dialog({ title, onClose, children, kind = "box" }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const gone = useRef(false);
  const titleId = useId();
  useEffect(() => {
    const element = dialog.current;
    const opener = document.activeElement;
    element?.showModal();
    return () => {
      // Browsers give the focus back on close(), but not when the element is simply taken away. The event comes later, and asks for
      // nothing: it would close the dialog that took this one's place.
      gone.current = true;
      element?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  const closed = (): void => {
    if (!gone.current) onClose();
  };
  const closeOnBackdrop = (event: MouseEvent): void => {
    if (event.target === dialog.current) onClose();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, by the browser
    <dialog ref={dialog} class={kind} aria-labelledby={titleId} onClose={closed} onClick={closeOnBackdrop}>
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
            <CloseIcon />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
