// One conversation in the terminal: the SDK's events become lines, and typed lines become messages.

import { NetworkError, NetworkManager, type PeerId, type PeerInfo } from "linknet";
import { chatText, MAX_TEXT_LENGTH, textOf } from "../demo-web/chat/chat-protocol.js";
import { displayName, pathLabel, terminalText } from "../demo-web/chat/names.js";
import { ChatFiles } from "./chat-files.js";
import { errorLine, eventLine, messageLine } from "./chat-lines.js";
import type { ChatOptions } from "./chat-options.js";
import { answerTo, GreeterManners, greeting } from "./greeter.js";
import { readIdentity } from "./identity-file.js";

/** Where the conversation is shown. */
export interface ChatOutput {
  print(text: string): void;
  setProgress(text: string | null): void;
}

/** How long after its session a newcomer is greeted, in ms: by then the page has drawn itself. */
const GREETING_DELAY_MS = 300;

/** A conversation, from joining to leaving. */
export class ChatRoom {
  readonly net: NetworkManager;
  readonly files: ChatFiles;
  readonly #options: ChatOptions;
  readonly #output: ChatOutput;
  readonly #manners = new GreeterManners();
  /** Peers that were connected, with the name they had: it is still wanted when they have left. */
  readonly #names = new Map<PeerId, string>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** Messages of ours whose loss somebody wants to hear of. Only the newest are kept. */
  readonly #sent = new Set<string>();
  #closed = false;

  /**
   * @param wrtc - a WebRTC implementation for Node, or nothing
   * @throws Error with a sentence, where the identity cannot be read or made
   */
  constructor(options: ChatOptions, output: ChatOutput, wrtc: unknown) {
    this.#options = options;
    this.#output = output;
    const identity = options.identity === null ? {} : { identity: readIdentity(options.identity) };
    this.net = new NetworkManager({ relays: [options.relay], name: options.name, ...identity, ...(wrtc ? { wrtc } : {}) });
    this.files = new ChatFiles(this.net, options.downloads, {
      event: (text) => this.event(text),
      problem: (text) => this.problem(text),
      progress: (text) => output.setProgress(text),
      nameOf: (peerId) => this.nameOf(peerId),
    });
    this.#listen();
  }

  /** Joins the room, and the peer of the ticket. @throws NetworkError as `start`, `joinRoom` and `connectToPeer` */
  async open(): Promise<void> {
    const { port, ticket, room } = this.#options;
    await this.net.start(port);
    if (ticket !== null) await this.net.connectToPeer(ticket);
    if (room !== null) await this.net.joinRoom(room);
    const ticker = setInterval(() => this.files.tick(), 1000);
    this.#timers.add(ticker);
  }

  /** Says good-bye and closes everything. */
  async close(): Promise<void> {
    // That the others are gone now, and the relay, is our own doing and no news.
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.files.close();
    await this.net.stop();
  }

  /** The others that have a session. */
  get peers(): readonly PeerInfo[] {
    return this.net.getConnectedPeers().filter(({ status }) => status === "connected" || status === "reconnecting");
  }

  nameOf(peerId: PeerId): string {
    return displayName(this.net.getPeer(peerId)?.name || (this.#names.get(peerId) ?? ""), peerId);
  }

  /** Sends a text to everybody here, and tells when nobody took it. */
  say(text: string): void {
    if (text.length > MAX_TEXT_LENGTH) {
      return this.problem(`A message has at most ${MAX_TEXT_LENGTH} characters, this one has ${text.length}. Send it as a file.`);
    }
    const message = chatText({ text });
    this.#remember(message.id ?? "");
    if (this.peers.length === 0) return this.event("Nobody is here to read that yet.");
    for (const { id } of this.peers) {
      if (!this.net.sendMessage(id, message))
        this.problem(`${this.nameOf(id)} has not read what was sent before; this was not sent to them.`);
    }
  }

  event(text: string): void {
    if (!this.#closed) this.#output.print(eventLine(text));
  }

  problem(text: string): void {
    if (!this.#closed) this.#output.print(errorLine(text));
  }

  #listen(): void {
    const { net } = this;
    net.on("message", (message) => {
      const text = textOf(message);
      if (text !== null) this.#heard(message.senderId, text);
    });
    net.on("connection", ({ peerId, status }) => {
      if (status === "connected") this.#arrived(peerId);
      else if (status === "reconnecting") this.event(`The path to ${this.nameOf(peerId)} was lost; reconnecting.`);
      else if (status === "disconnected") this.#left(peerId);
    });
    net.on("path", ({ peerId, path, previous }) => {
      if (previous === null || previous === path) return;
      const how = path === "relay" ? "through the relay" : `directly, over ${pathLabel(path)}`;
      this.event(`${this.nameOf(peerId)} is now reached ${how}.`);
    });
    net.on("failed", ({ peerId, messageId }) => {
      if (this.#sent.has(messageId)) this.problem(`A message may not have reached ${this.nameOf(peerId)}.`);
    });
    let relayLost = false;
    net.on("relay", ({ status, error }) => {
      if (status === "disconnected") this.event(`The relay is gone; trying again.${error ? ` ${sentence(error)}` : ""}`);
      else if (relayLost) this.event("The relay is back.");
      relayLost = status === "disconnected";
    });
    net.on("error", (error) => {
      // What passes by itself is no news; the relay's state is told above.
      if (!error.retryable) this.problem(sentence(error));
    });
  }

  #arrived(peerId: PeerId): void {
    const back = this.#names.has(peerId);
    this.#names.set(peerId, this.net.getPeer(peerId)?.name ?? "");
    this.event(back ? `${this.nameOf(peerId)} is back.` : `${this.nameOf(peerId)} joined.`);
    if (!this.#options.greet || !this.#manners.isNew(peerId)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.net.getPeer(peerId)) this.#speak(greeting(this.nameOf(peerId)));
    }, GREETING_DELAY_MS);
    this.#timers.add(timer);
  }

  #left(peerId: PeerId): void {
    if (this.#names.has(peerId)) this.event(`${this.nameOf(peerId)} left.`);
    this.#names.delete(peerId);
  }

  #heard(peerId: PeerId, text: string): void {
    const name = this.nameOf(peerId);
    this.#output.print(messageLine(name, peerId, text, Date.now()));
    if (!this.#options.greet || answerTo(text, name, { path: null, rttMs: null }) === null) return;
    // Measured first: an answer about the path should not quote the time of the handshake.
    void this.measure([peerId]).then(() => {
      const peer = this.net.getPeer(peerId);
      const answer = answerTo(text, name, { path: peer?.path ?? null, rttMs: peer?.rttMs ?? null });
      if (answer !== null && !this.#closed && this.#manners.mayAnswer(peerId, performance.now())) this.#speak(answer);
    });
  }

  /** Measures fresh round-trip times. Resolves after 1 s at the latest. */
  async measure(peerIds: readonly PeerId[]): Promise<void> {
    const pings = peerIds.map((peerId) => this.net.ping(peerId).catch(() => undefined));
    await Promise.race([Promise.all(pings), new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
  }

  /** What the greeter says, which is shown here as well. */
  #speak(text: string): void {
    this.#output.print(messageLine(this.#options.name, this.net.peerId, text, Date.now()));
    this.say(text);
  }

  #remember(messageId: string): void {
    this.#sent.add(messageId);
    const [oldest] = this.#sent;
    if (this.#sent.size > 1_000 && oldest !== undefined) this.#sent.delete(oldest);
  }
}

/** An error as a sentence for people. */
export function sentence(error: unknown): string {
  const text = error instanceof NetworkError || error instanceof Error ? error.message : String(error);
  const clean = terminalText(text).trim();
  return `${clean.charAt(0).toUpperCase()}${clean.slice(1)}${/[.!?…]$/.test(clean) ? "" : "."}`;
}
