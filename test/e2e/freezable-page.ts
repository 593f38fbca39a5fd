// A page that can be frozen, as a browser does with tabs in the background. Playwright keeps its own pages visible, and what is
// visible never freezes; so this one is opened beside Playwright, through the DevTools protocol.

import type { Browser } from "@playwright/test";
import { presentNetwork } from "../../scripts/lib/test-network.mjs";
import { expect } from "./fixtures.js";

const ANSWER_TIMEOUT_MS = 30_000;

interface Answer {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: {
    readonly result?: { readonly value?: unknown };
    readonly exceptionDetails?: { readonly exception?: { readonly description?: string } };
  };
}

export class FreezablePage {
  readonly #send: (message: string) => Promise<unknown>;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #count = 0;
  readonly close: () => Promise<void>;

  private constructor(send: (message: string) => Promise<unknown>, close: () => Promise<void>) {
    this.#send = send;
    this.close = close;
  }

  /** Opens a page that puts the SDK at `window.linknet_sdk`, and waits for that. */
  static async open(browser: Browser, url: string): Promise<FreezablePage> {
    const cdp = await browser.newBrowserCDPSession();
    const { browserContextId } = await cdp.send("Target.createBrowserContext");
    if (presentNetwork() === "loopback") {
      // As for the other pages: over the loopback, Chromium shows its addresses only to pages that may use a camera.
      await cdp.send("Browser.grantPermissions", { permissions: ["audioCapture", "videoCapture"], browserContextId });
    }
    const { targetId } = await cdp.send("Target.createTarget", { url, browserContextId });
    const { sessionId } = await cdp.send("Target.attachToTarget", { targetId });
    const page = new FreezablePage(
      (message) => cdp.send("Target.sendMessageToTarget", { sessionId, message }),
      async () => {
        await cdp.send("Target.disposeBrowserContext", { browserContextId });
        await cdp.detach();
      },
    );
    cdp.on("Target.receivedMessageFromTarget", (event) => {
      if (event.sessionId === sessionId) page.#receive(JSON.parse(event.message) as Answer);
    });
    await expect.poll(() => page.evaluate(() => "linknet_sdk" in window), { message: "the page is loaded" }).toBe(true);
    return page;
  }

  /** Runs a function in the page, as `Page.evaluate` of Playwright does. */
  async evaluate<Result, Argument>(body: (argument: Argument) => Result | Promise<Result>, argument?: Argument): Promise<Result> {
    const given = argument === undefined ? "" : JSON.stringify(argument);
    const { result } = await this.#call("Runtime.evaluate", {
      expression: `(${body})(${given})`,
      awaitPromise: true,
      returnByValue: true,
    });
    if (result?.exceptionDetails) throw new Error(result.exceptionDetails.exception?.description ?? "the page threw");
    return result?.result?.value as Result;
  }

  /** Stops its timers and everything that would come in, from the network too. `evaluate` still works. */
  async freeze(): Promise<void> {
    await this.#call("Page.setWebLifecycleState", { state: "frozen" });
  }

  /** Lets it go on. It stays hidden. */
  async thaw(): Promise<void> {
    await this.#call("Page.setWebLifecycleState", { state: "active" });
  }

  async #call(method: string, params: object): Promise<Answer> {
    const id = ++this.#count;
    const answer = await new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), ANSWER_TIMEOUT_MS);
      this.#waiting.set(id, (given) => {
        clearTimeout(timer);
        resolve(given);
      });
      this.#send(JSON.stringify({ id, method, params })).catch(reject);
    });
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer;
  }

  #receive(answer: Answer): void {
    if (answer.id === undefined) return;
    this.#waiting.get(answer.id)?.(answer);
    this.#waiting.delete(answer.id);
  }
}
