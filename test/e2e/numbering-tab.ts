// A tab that numbers what it says and keeps what it hears: so a test can tell whether anything was lost, doubled or reordered.

import type { ConnectionStatus, LinkKind, NetworkManager, NetworkManagerOptions, PeerId } from "linknet";
import { expect } from "./fixtures.js";

/** Between two messages of a tab that talks, in ms; never less, as timers come late rather than early. */
export const PAUSE_MS = 40;

/** What the page keeps for the test. */
interface Numbering {
  readonly net: NetworkManager;
  /** Numbers as they came, by sender. */
  readonly heard: Record<PeerId, unknown[]>;
  readonly statuses: Record<PeerId, ConnectionStatus[]>;
  readonly paths: Record<PeerId, LinkKind[]>;
  readonly relay: string[];
  /** Ids of messages that were reported as failed. */
  readonly failed: string[];
  said: number;
  refused: number;
  timer: ReturnType<typeof setInterval> | undefined;
}

interface NumberingWindow extends Window {
  linknet_sdk: typeof import("linknet");
  numbering: Numbering;
}

/** What is needed of a page. */
interface Evaluating {
  evaluate<Result, Argument>(body: (argument: Argument) => Result | Promise<Result>, argument: Argument): Promise<Result>;
  evaluate<Result>(body: () => Result | Promise<Result>): Promise<Result>;
}

/** Somebody whom a tab talks with: another tab, or not. */
export type Named = Pick<NumberingTab, "peerId">;

export class NumberingTab<Tab extends Evaluating = Evaluating> {
  readonly page: Tab;
  readonly peerId: PeerId;

  private constructor(page: Tab, peerId: PeerId) {
    this.page = page;
    this.peerId = peerId;
  }

  /** Starts a NetworkManager in a page that has the SDK. */
  static async open<Tab extends Evaluating>(page: Tab, options: NetworkManagerOptions): Promise<NumberingTab<Tab>> {
    const peerId = await page.evaluate(async (given) => {
      const here = window as unknown as NumberingWindow;
      const net = new here.linknet_sdk.NetworkManager(given);
      const numbering: Numbering = {
        net,
        heard: {},
        statuses: {},
        paths: {},
        relay: [],
        failed: [],
        said: 0,
        refused: 0,
        timer: undefined,
      };
      here.numbering = numbering;
      const note = <Item>(lists: Record<PeerId, Item[]>, id: PeerId, item: Item): void => {
        const list = lists[id] ?? [];
        lists[id] = list;
        list.push(item);
      };
      net.setMessageCallback((message) => note(numbering.heard, message.senderId, message.payload));
      net.setConnectionCallback((id, status) => note(numbering.statuses, id, status));
      net.on("path", (event) => note(numbering.paths, event.peerId, event.path));
      net.on("relay", (event) => numbering.relay.push(event.status));
      net.on("failed", (event) => numbering.failed.push(event.messageId));
      await net.start();
      return net.peerId;
    }, options);
    return new NumberingTab(page, peerId);
  }

  async connectTo(other: Named): Promise<void> {
    await this.page.evaluate((id) => (window as unknown as NumberingWindow).numbering.net.connectToPeer(id), other.peerId);
  }

  /** Dials a port of this machine. */
  async connectToAddress(port: number): Promise<void> {
    await this.page.evaluate(async (there) => {
      await (window as unknown as NumberingWindow).numbering.net.connectToPeer("127.0.0.1", there);
    }, port);
  }

  async joinRoom(name: string): Promise<void> {
    await this.page.evaluate(async (room) => {
      await (window as unknown as NumberingWindow).numbering.net.joinRoom(room);
    }, name);
  }

  /** Says the next number, again and again. */
  async startTalking(other: Named): Promise<void> {
    await this.page.evaluate(
      ([id, pauseMs]) => {
        const { numbering } = window as unknown as NumberingWindow;
        const say = (): void => {
          if (!numbering.net.sendMessage(id, { type: "number", payload: numbering.said++ })) numbering.refused++;
        };
        numbering.timer = setInterval(say, pauseMs);
      },
      [other.peerId, PAUSE_MS] as const,
    );
  }

  /** @returns how many numbers were said in all */
  async stopTalking(): Promise<number> {
    return this.page.evaluate(() => {
      const { numbering } = window as unknown as NumberingWindow;
      clearInterval(numbering.timer);
      return numbering.said;
    });
  }

  async said(): Promise<number> {
    return (await this.#read()).said;
  }

  async heardFrom(other: Named): Promise<unknown[]> {
    return (await this.#read()).heard[other.peerId] ?? [];
  }

  /** The statuses of the other one, in the order in which the callback was told. */
  async statusesOf(other: Named): Promise<ConnectionStatus[]> {
    return (await this.#read()).statuses[other.peerId] ?? [];
  }

  async pathsTo(other: Named): Promise<LinkKind[]> {
    return (await this.#read()).paths[other.peerId] ?? [];
  }

  async becomes(status: ConnectionStatus, other: Named, timeout = 20_000): Promise<void> {
    await expect.poll(async () => (await this.statusesOf(other)).at(-1), { timeout, message: "status" }).toBe(status);
  }

  /** As `becomes`, for a status that may pass quickly. */
  async hasBeen(status: ConnectionStatus, other: Named): Promise<void> {
    await expect.poll(() => this.statusesOf(other), { intervals: [200], message: "statuses" }).toContain(status);
  }

  async movesTo(kind: LinkKind, other: Named, timeout = 20_000): Promise<void> {
    await expect.poll(async () => (await this.pathsTo(other)).at(-1), { timeout, message: "path" }).toBe(kind);
  }

  async relayBecomes(status: "connected" | "disconnected"): Promise<void> {
    await expect.poll(async () => (await this.#read()).relay.at(-1), { message: "relay" }).toBe(status);
  }

  async saysMore(count = 10, timeout = 20_000): Promise<void> {
    const before = await this.said();
    await expect.poll(() => this.said(), { timeout, message: "said" }).toBeGreaterThanOrEqual(before + count);
  }

  async hearsMore(other: Named, count = 10): Promise<void> {
    const before = (await this.heardFrom(other)).length;
    await expect
      .poll(async () => (await this.heardFrom(other)).length, { message: "heard" })
      .toBeGreaterThanOrEqual(before + count);
  }

  async faults(): Promise<{ refused: number; failed: string[] }> {
    const { refused, failed } = await this.#read();
    return { refused, failed };
  }

  #read(): Promise<Pick<Numbering, "heard" | "statuses" | "paths" | "relay" | "failed" | "said" | "refused">> {
    return this.page.evaluate(() => {
      const { heard, statuses, paths, relay, failed, said, refused } = (window as unknown as NumberingWindow).numbering;
      return { heard, statuses, paths, relay, failed, said, refused };
    });
  }
}

/** Both talk, and hear each other. */
export async function startConversation(alice: NumberingTab, bob: NumberingTab): Promise<void> {
  await bob.becomes("connected", alice);
  await Promise.all([alice.startTalking(bob), bob.startTalking(alice)]);
  await Promise.all([alice.hearsMore(bob), bob.hearsMore(alice)]);
}

/** Both say some more and fall silent; then each has heard everything, once and in order, and nothing was refused. */
export async function expectCompleteTranscript(alice: NumberingTab, bob: NumberingTab): Promise<void> {
  await Promise.all([alice.saysMore(), bob.saysMore()]);
  for (const [from, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const said = await from.stopTalking();
    expect(said).toBeGreaterThan(20);
    await expect.poll(async () => (await to.heardFrom(from)).length, { message: "heard in all" }).toBeGreaterThanOrEqual(said);
    expect(await to.heardFrom(from)).toEqual(Array.from({ length: said }, (_, number) => number));
  }
  for (const tab of [alice, bob]) expect(await tab.faults()).toEqual({ refused: 0, failed: [] });
}
