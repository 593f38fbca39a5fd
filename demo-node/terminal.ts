// The terminal: lines from outside go above the line that is being typed, which stays as it is. Without a terminal: plain lines.

import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from "node:readline";
import { styleText } from "./style-text.js";

/** What somebody typed, and how they leave. */
export interface TerminalHandlers {
  line(text: string): void;
  /** Ctrl-C, Ctrl-D at a terminal, or a signal. */
  end(): void;
}

/** One chat's input and output. */
export class Terminal {
  readonly #readline: Interface | null;
  readonly #interactive: boolean;
  #prompt = "> ";

  /** @param reads - `false`: nothing is read, as for a peer that only greets */
  constructor(handlers: TerminalHandlers, reads: boolean) {
    this.#interactive = reads && process.stdin.isTTY === true && process.stdout.isTTY === true;
    this.#readline = reads
      ? createInterface({
          input: process.stdin,
          output: this.#interactive ? process.stdout : undefined,
          terminal: this.#interactive,
        })
      : null;
    this.#readline?.on("line", (text) => {
      handlers.line(text);
      this.#show();
    });
    // The end of a pipe is no farewell: a script may have said all it wants to say and still listen. Ctrl-D is one.
    if (this.#interactive) this.#readline?.on("close", () => handlers.end());
    this.setProgress(null);
  }

  /** Whether a person sits there. */
  get interactive(): boolean {
    return this.#interactive;
  }

  /** How wide it is; 80 where nobody knows. */
  get columns(): number {
    return process.stdout.columns ?? 80;
  }

  /** Prints one or more lines. They must be free of control characters by now. */
  print(text: string): void {
    if (!this.#interactive || !this.#readline) {
      process.stdout.write(`${text}\n`);
      return;
    }
    this.#clearInput(this.#readline);
    process.stdout.write(`${text}\n`);
    this.#show();
  }

  /** Shows before the prompt what is under way; `null` for nothing. Without a terminal it shows nothing. */
  setProgress(text: string | null): void {
    const prompt = `${text === null ? "" : `${styleText("dim", text)} `}${styleText("cyan", "›")} `;
    if (prompt === this.#prompt || !this.#interactive || !this.#readline) return;
    this.#clearInput(this.#readline);
    this.#prompt = prompt;
    this.#readline.setPrompt(prompt);
    this.#show();
  }

  close(): void {
    if (this.#interactive && this.#readline) this.#clearInput(this.#readline);
    this.#readline?.removeAllListeners("close");
    this.#readline?.close();
    // A pipe that stays open would keep the process.
    process.stdin.pause();
  }

  #show(): void {
    if (this.#interactive) this.#readline?.prompt(true);
  }

  /** Wipes prompt and typed text, which may take several rows. */
  #clearInput(readline: Interface): void {
    const { rows } = readline.getCursorPos();
    if (rows > 0) moveCursor(process.stdout, 0, -rows);
    cursorTo(process.stdout, 0);
    clearScreenDown(process.stdout);
  }
}
