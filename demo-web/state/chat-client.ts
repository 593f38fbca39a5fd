// Between the SDK and the page: turns what the NetworkManager tells into actions, and what people do into calls.

import { NetworkManager, type OutgoingMessage, type PathReport, type PeerId, type PeerInfo, type Room } from "linknet";
import { chatText, textOf } from "../chat/chat-protocol.js";
import { ownName } from "../chat/names.js";
import { type ChatState, type FileEntry, INITIAL_STATE, type TextEntry } from "./chat-state.js";
import { type ChatAction, reduceChat } from "./chat-store.js";
import { sentence } from "./error-text.js";
import { formatInvitation, type Invitation } from "./invitation.js";
import { PageTransfers } from "./page-transfers.js";

/** Where to go: either a room or a ticket. */
export interface JoinRequest {
  readonly name: string;
  readonly relay: string;
  readonly room: string | null;
  readonly ticket: string | null;
}

/** A conversation that is under way. */
interface Conversation {
  readonly net: NetworkManager;
  readonly relay: string;
  readonly files: PageTransfers;
  room: Room | null;
  timer: ReturnType<typeof setInterval> | undefined;
}

/** Most peers that are asked for a round trip in one second. */
const MAX_PINGS = 24;

/** One conversation at a time, and its state. */
export class ChatClient {
  /** The relay that links need not name. */
  readonly pageRelay: string;
  #state: ChatState = INITIAL_STATE;
  #now: Conversation | null = null;
  readonly #measuring = new Set<PeerId>();
  readonly #listeners = new Set<(state: ChatState) => void>();

  constructor(pageRelay: string) {
    this.pageRelay = pageRelay;
  }

  get state(): ChatState {
    return this.#state;
  }

  /** @returns how to stop listening */
  subscribe(listener: (state: ChatState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Joins a room or the peer of a ticket. What fails is told in `state.error`. */
  async join(request: JoinRequest): Promise<void> {
    if (this.#state.screen !== "start") return;
    const name = ownName(request.name);
    let conversation: Conversation | null = null;
    try {
      const net = new NetworkManager({ relays: [request.relay], name });
      const files = new PageTransfers(net, (action) => this.#dispatchFrom(net, action));
      conversation = { net, relay: request.relay, files, room: null, timer: undefined };
      this.#now = conversation;
      // For tests, and for the curious: what this page does can be done from the console as well.
      window.linknet = net;
      this.#dispatch({ type: "joining", self: { id: net.peerId, name } });
      this.#listen(net);
      await net.start();
      if (request.ticket !== null) await net.connectToPeer(request.ticket);
      if (request.room !== null) await this.#enter(conversation, request.room);
      if (this.#now !== conversation) return;
      this.#dispatch({ type: "joined", room: request.room });
      conversation.timer = setInterval(() => this.#tick(), 1000);
    } catch (error) {
      if (this.#now !== conversation) return;
      this.#dispatch({ type: "error", text: sentence(error) });
      await this.leave();
    }
  }

  /** Leaves and closes everything. */
  async leave(): Promise<void> {
    const conversation = this.#now;
    this.#now = null;
    clearInterval(conversation?.timer);
    conversation?.files.close();
    this.#dispatch({ type: "left" });
    await conversation?.net.stop().catch(() => undefined);
  }

  /** The link that brings somebody into this room; `null` outside of rooms. */
  roomLink(): string | null {
    if (!this.#now?.room) return null;
    const { room, relay } = this.#now;
    return pageLink({ room: room.name, relay: relay === this.pageRelay ? null : relay });
  }

  /** The link that brings somebody to us alone; `null` before anything was joined. */
  ticketLink(): string | null {
    return this.#now && pageLink({ ticket: this.#now.net.ticket() });
  }

  /** Thirty digits to compare with a peer; `null` for ourselves and outside of conversations. */
  fingerprint(peerId: PeerId): string | null {
    const net = this.#now?.net;
    return net && net.peerId !== peerId ? net.fingerprint(peerId) : null;
  }

  /** Why the path to a peer is what it is; `null` where there is no session. */
  async explain(peerId: PeerId): Promise<PathReport | null> {
    const net = this.#now?.net;
    return net?.getPeer(peerId) ? net.explain(peerId) : null;
  }

  sendText(text: string): void {
    const message = chatText({ text });
    const to = this.#recipients();
    this.#dispatch({ type: "written", text, messageId: message.id ?? "", to, timeMs: Date.now() });
    for (const peerId of to) void this.#sendTo(peerId, message);
  }

  /** Sends a message again, to everybody who is here now and does not have it. */
  retry(entry: TextEntry): void {
    const to = this.#recipients().filter((peerId) => entry.receipts[peerId] !== "delivered");
    if (to.length === 0) return this.#dispatch({ type: "error", text: "Nobody is here to receive it yet." });
    const message = chatText({ text: entry.text });
    this.#dispatch({ type: "rewritten", key: entry.key, messageId: message.id ?? "", to });
    for (const peerId of to) void this.#sendTo(peerId, message);
  }

  sendFiles(files: readonly File[]): void {
    void this.#now?.files.sendFiles(files, () => this.#recipients());
  }

  cancelFile(entry: FileEntry): void {
    this.#now?.files.cancel(entry);
  }

  /** Sends an interrupted file on. */
  resumeFile(entry: FileEntry): void {
    this.#now?.files.resume(entry, this.#recipients());
  }

  dismissError(): void {
    this.#dispatch({ type: "error", text: null });
  }

  /** Everybody with a session, also one that is being resumed: what we send then waits for it. */
  #recipients(): PeerId[] {
    const peers = this.#now?.net.getConnectedPeers() ?? [];
    return peers.filter(({ status }) => status === "connected" || status === "reconnecting").map(({ id }) => id);
  }

  async #sendTo(peerId: PeerId, message: OutgoingMessage): Promise<void> {
    const messageId = message.id ?? "";
    try {
      while (this.#now && !this.#now.net.sendMessage(peerId, message)) await this.#now.net.ready(peerId);
      // What waits for a lost path stays "sending"; its delivery is told all the same.
      if (this.#now?.net.getPeer(peerId)?.status !== "connected") return;
      this.#dispatch({ type: "receipt", peerId, messageId, receipt: "accepted" });
    } catch {
      this.#dispatch({ type: "receipt", peerId, messageId, receipt: "failed" });
    }
  }

  async #enter(conversation: Conversation, name: string): Promise<void> {
    const room = await conversation.net.joinRoom(name);
    conversation.room = room;
    const dispatch = (action: ChatAction): void => this.#dispatchFrom(conversation.net, action);
    room.on("join", (peerId) => dispatch({ type: "roomJoin", peerId, timeMs: Date.now() }));
    room.on("leave", (peerId) => dispatch({ type: "roomLeave", peerId, timeMs: Date.now() }));
    for (const peerId of room.members) dispatch({ type: "roomJoin", peerId, timeMs: Date.now() });
  }

  #listen(net: NetworkManager): void {
    const dispatch = (action: ChatAction): void => this.#dispatchFrom(net, action);
    net.on("message", (message) => {
      const text = textOf(message);
      if (text !== null)
        dispatch({ type: "received", peerId: message.senderId, text, messageId: message.id, timeMs: Date.now() });
    });
    net.on("connection", ({ peerId, status }) => {
      const info = net.getPeer(peerId) ?? blankInfo(peerId);
      dispatch({ type: "peer", info: { ...info, status }, timeMs: Date.now() });
    });
    net.on("path", ({ peerId, path, previous }) => dispatch({ type: "path", peerId, path, previous, timeMs: Date.now() }));
    net.on("delivered", ({ peerId, messageId }) => dispatch({ type: "receipt", peerId, messageId, receipt: "delivered" }));
    net.on("failed", ({ peerId, messageId }) => dispatch({ type: "receipt", peerId, messageId, receipt: "failed" }));
    net.on("relay", ({ status, error }) => {
      dispatch({ type: "relay", status });
      if (error && !error.retryable) dispatch({ type: "error", text: sentence(error) });
    });
    net.on("error", (error) => {
      // What passes by itself is shown by the banner and the badges. A fault of this page belongs into the console.
      if (error.code === "ERR_CALLBACK_THREW") console.error(error);
      else if (!error.retryable && error.code.startsWith("ERR_RELAY")) dispatch({ type: "error", text: sentence(error) });
    });
  }

  #tick(): void {
    if (!this.#now) return;
    this.#dispatch({ type: "sampled", infos: this.#now.net.getConnectedPeers() });
    this.#now.files.tick(this.#state.entries);
    if (document.visibilityState === "visible") this.#measure(this.#now.net);
  }

  /** Asks for fresh round-trip times, so that the line in the list is alive. Those in the middle of one are left alone. */
  #measure(net: NetworkManager): void {
    const idle = net.getConnectedPeers().filter(({ id, status }) => status === "connected" && !this.#measuring.has(id));
    for (const { id } of idle.slice(0, MAX_PINGS)) {
      this.#measuring.add(id);
      // One that is not answered tells nothing new: the session notices by itself when a path is dead.
      const done = (): boolean => this.#measuring.delete(id);
      net.ping(id).then(done, done);
    }
  }

  /** What a conversation that we left still tells is not for the next one. */
  #dispatchFrom(net: NetworkManager, action: ChatAction): void {
    if (this.#now?.net === net) this.#dispatch(action);
  }

  #dispatch(action: ChatAction): void {
    const next = reduceChat(this.#state, action);
    if (next === this.#state) return;
    this.#state = next;
    for (const listener of this.#listeners) listener(next);
  }
}

function pageLink(invitation: Partial<Invitation>): string {
  return `${location.origin}${location.pathname}${formatInvitation(invitation)}`;
}

/** For a peer that the manager has forgotten by the time that we hear of it. */
function blankInfo(id: PeerId): PeerInfo {
  const counters = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0, queuedBytes: 0 };
  return { id, name: "", address: null, path: null, status: "disconnected", rttMs: null, ...counters };
}

declare global {
  interface Window {
    /** The page's NetworkManager, once a conversation began. */
    linknet?: NetworkManager;
  }
}
