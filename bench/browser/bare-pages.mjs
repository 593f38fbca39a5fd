// Pages that nobody watches. Playwright has the browser tell it each WebSocket frame, as text: that costs more than the frame itself, in
// the page, the browser and the process that measures. Here a page is only told what to evaluate, and tells what it throws.

/** @typedef {import("@playwright/test").Browser} Browser */
/** @typedef {import("@playwright/test").CDPSession} CDPSession */
/** @typedef {{ result?: any, error?: { message: string } }} Reply */

/** Where Chromium writes down what a page may do: it shows the addresses of this machine only to those that may use a camera. */
const PERMISSIONS = /** @type {("audioCapture" | "videoCapture")[]} */ (["audioCapture", "videoCapture"]);

export class BarePages {
  /** @type {CDPSession} */
  #browser;
  #context;
  #onError;
  /** @type {Map<string, (message: any) => void>} by session */
  #sessions = new Map();

  /**
   * Pages with storage of their own.
   * @param {Browser} browser
   * @param {(error: Error) => void} onError is told what a page throws
   */
  static async create(browser, onError) {
    const session = await browser.newBrowserCDPSession();
    const { browserContextId } = await session.send("Target.createBrowserContext");
    await session.send("Browser.grantPermissions", { browserContextId, permissions: PERMISSIONS });
    return new BarePages(session, browserContextId, onError);
  }

  /** @param {CDPSession} browser @param {string} context @param {(error: Error) => void} onError */
  constructor(browser, context, onError) {
    this.#browser = browser;
    this.#context = context;
    this.#onError = onError;
    browser.on("Target.receivedMessageFromTarget", ({ sessionId, message }) =>
      this.#sessions.get(sessionId)?.(JSON.parse(message)),
    );
  }

  /**
   * Opens a page.
   * @param {string} url
   * @returns {Promise<(expression: string) => Promise<any>>} evaluates: a promise is waited for, and its value must fit in JSON
   */
  async open(url) {
    const { targetId } = await this.#browser.send("Target.createTarget", { url, browserContextId: this.#context });
    const { sessionId } = await this.#browser.send("Target.attachToTarget", { targetId, flatten: false });
    /** @type {((reply: Reply) => void)[]} by id */
    const asked = [];
    this.#sessions.set(sessionId, ({ id, method, params, ...reply }) => {
      if (id !== undefined) asked[id]?.(reply);
      else if (method === "Runtime.exceptionThrown") this.#onError(asError(params.exceptionDetails));
    });
    /** @param {string} method @param {object} [params] @returns {Promise<any>} */
    const call = async (method, params = {}) => {
      const answered = new Promise((resolve) => asked.push(resolve));
      const message = JSON.stringify({ id: asked.length - 1, method, params });
      await this.#browser.send("Target.sendMessageToTarget", { sessionId, message });
      const { result, error } = await answered;
      if (error) throw new Error(error.message);
      return result;
    };
    await call("Runtime.enable");
    return async (expression) => {
      const { result, exceptionDetails } = await call("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) throw asError(exceptionDetails);
      return result.value;
    };
  }

  /** Closes all of them. */
  async close() {
    await this.#browser.send("Target.disposeBrowserContext", { browserContextId: this.#context });
    await this.#browser.detach();
  }
}

/** @param {any} details */
function asError({ text, exception }) {
  return new Error(`in the page: ${exception?.description ?? text}`);
}
